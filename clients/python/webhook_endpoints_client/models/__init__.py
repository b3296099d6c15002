"""Contains all the data models used in inputs/outputs"""

from .accepted_event import AcceptedEvent
from .accepted_recovery import AcceptedRecovery
from .access import Access
from .access_kind import AccessKind
from .access_scope import AccessScope
from .api_key import ApiKey
from .app import App
from .app_change import AppChange
from .app_details import AppDetails
from .app_details_status import AppDetailsStatus
from .app_page import AppPage
from .app_status import AppStatus
from .attempt import Attempt
from .attempt_body_note_type_0 import AttemptBodyNoteType0
from .attempt_body_note_type_0_code import AttemptBodyNoteType0Code
from .attempt_code import AttemptCode
from .catalogue_type import CatalogueType
from .catalogue_type_page import CatalogueTypePage
from .created_api_key import CreatedApiKey
from .created_portal_session import CreatedPortalSession
from .created_webhook import CreatedWebhook
from .delivery import Delivery
from .delivery_details import DeliveryDetails
from .delivery_details_reason import DeliveryDetailsReason
from .delivery_page import DeliveryPage
from .delivery_status import DeliveryStatus
from .event_delivery import EventDelivery
from .event_delivery_reason import EventDeliveryReason
from .event_details import EventDetails
from .fault import Fault
from .filter_alternative_type_1 import FilterAlternativeType1
from .filter_field_type_1 import FilterFieldType1
from .filter_test import FilterTest
from .filter_test_outcome import FilterTestOutcome
from .filter_type_0 import FilterType0
from .get_description_response_200 import GetDescriptionResponse200
from .get_description_response_200_info import GetDescriptionResponse200Info
from .get_description_response_200_paths import GetDescriptionResponse200Paths
from .given_catalogue_type import GivenCatalogueType
from .given_catalogue_type_schema_type_0 import GivenCatalogueTypeSchemaType0
from .given_filter_type_0 import GivenFilterType0
from .given_webhook_metadata_type_0 import GivenWebhookMetadataType0
from .list_webhooks_view import ListWebhooksView
from .metadata import Metadata
from .new_api_key import NewApiKey
from .new_batch import NewBatch
from .new_batch_event import NewBatchEvent
from .new_event import NewEvent
from .new_ping import NewPing
from .new_portal_session import NewPortalSession
from .new_webhook import NewWebhook
from .own_headers_type_0 import OwnHeadersType0
from .payload import Payload
from .ping_outcome import PingOutcome
from .published_batch import PublishedBatch
from .recovery import Recovery
from .rejected_event import RejectedEvent
from .rejected_event_error_type_0 import RejectedEventErrorType0
from .rejected_event_error_type_1 import RejectedEventErrorType1
from .rejected_event_error_type_1_code import RejectedEventErrorType1Code
from .replay import Replay
from .rotated_secret import RotatedSecret
from .rotation import Rotation
from .scope import Scope
from .secret_format import SecretFormat
from .session_scope import SessionScope
from .type_schema_type_0 import TypeSchemaType0
from .updated_webhook import UpdatedWebhook
from .webhook import Webhook
from .webhook_change import WebhookChange
from .webhook_details import WebhookDetails
from .webhook_details_disabled_reason import WebhookDetailsDisabledReason
from .webhook_metadata import WebhookMetadata

__all__ = (
    "AcceptedEvent",
    "AcceptedRecovery",
    "Access",
    "AccessKind",
    "AccessScope",
    "ApiKey",
    "App",
    "AppChange",
    "AppDetails",
    "AppDetailsStatus",
    "AppPage",
    "AppStatus",
    "Attempt",
    "AttemptBodyNoteType0",
    "AttemptBodyNoteType0Code",
    "AttemptCode",
    "CatalogueType",
    "CatalogueTypePage",
    "CreatedApiKey",
    "CreatedPortalSession",
    "CreatedWebhook",
    "Delivery",
    "DeliveryDetails",
    "DeliveryDetailsReason",
    "DeliveryPage",
    "DeliveryStatus",
    "EventDelivery",
    "EventDeliveryReason",
    "EventDetails",
    "Fault",
    "FilterAlternativeType1",
    "FilterFieldType1",
    "FilterTest",
    "FilterTestOutcome",
    "FilterType0",
    "GetDescriptionResponse200",
    "GetDescriptionResponse200Info",
    "GetDescriptionResponse200Paths",
    "GivenCatalogueType",
    "GivenCatalogueTypeSchemaType0",
    "GivenFilterType0",
    "GivenWebhookMetadataType0",
    "ListWebhooksView",
    "Metadata",
    "NewApiKey",
    "NewBatch",
    "NewBatchEvent",
    "NewEvent",
    "NewPing",
    "NewPortalSession",
    "NewWebhook",
    "OwnHeadersType0",
    "Payload",
    "PingOutcome",
    "PublishedBatch",
    "Recovery",
    "RejectedEvent",
    "RejectedEventErrorType0",
    "RejectedEventErrorType1",
    "RejectedEventErrorType1Code",
    "Replay",
    "RotatedSecret",
    "Rotation",
    "Scope",
    "SecretFormat",
    "SessionScope",
    "TypeSchemaType0",
    "UpdatedWebhook",
    "Webhook",
    "WebhookChange",
    "WebhookDetails",
    "WebhookDetailsDisabledReason",
    "WebhookMetadata",
)
