from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.webhook_details_disabled_reason import (
    WebhookDetailsDisabledReason,
    check_webhook_details_disabled_reason,
)

if TYPE_CHECKING:
    from ..models.filter_type_0 import FilterType0
    from ..models.webhook_metadata import WebhookMetadata


T = TypeVar("T", bound="WebhookDetails")


@_attrs_define
class WebhookDetails:
    """
    Attributes:
        id (UUID): The endpoint's id.
        url (str): The URL that deliveries are posted to: exactly as it was given or, if that was not ASCII, percent-
            encoded and with the host in Punycode. `http` is possible only in local development.
        events (list[str]): The event types and prefixes that the endpoint subscribes to.
        active (bool): Whether events are sent to this endpoint. Test pings are always sent.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        updated_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        rate_limit (int | None): The endpoint's maximum number of deliveries per second. Others wait for their turn.
            Test pings do not count. Null for no limit.
        description (None | str): What the endpoint is for, for people. Line breaks and tabs are allowed, other control
            characters are not. Null for none.
        metadata (WebhookMetadata): Names and values for the platform's own use, together at most 2 KiB.
        channels (list[str] | None): The channels whose events the endpoint gets: those that have at least one of them.
            Null for the events of all channels, and those of none.
        filter_ (FilterType0 | None): What an event's data must match for the endpoint to get the event, in the syntax
            of Amazon EventBridge's event patterns: each field has a list of alternatives, which are values or the operators
            `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists` and `cidr`; `$or` has
            alternatives for whole objects. All fields must match. At most 4,096 bytes, nested at most 20 deep. Null for no
            filter.
        inactive_since (datetime.datetime | None): Since when the endpoint has been inactive, or null.
        disabled_reason (None | WebhookDetailsDisabledReason): Why the service disabled the endpoint, or null. `GONE`:
            the receiver responded with 410 Gone. `FAILING`: it kept failing for too long (5 days by default).
        disabled_at (datetime.datetime | None): When the service disabled the endpoint, or null.
        slow_since (datetime.datetime | None): When an attempt took so long that the service marked the endpoint as slow
            (3 s by default), or null. A response within half that time clears it. Deliveries to a slow endpoint go through
            a separate queue, so they may arrive later.
        failing_since (datetime.datetime | None): When the first failure since the last success began, or null.
        paused_at (datetime.datetime | None): When the service paused the endpoint because it kept failing, or null.
            While it is paused, deliveries wait, and one of them at a time goes out as a probe. The first success, even of a
            test ping, ends the pause; so does changing the URL or setting `active` to true.
        next_probe_at (datetime.datetime | None): When the next probe of a paused endpoint is due, or null.
        previous_secret_expires_at (datetime.datetime | None): When attempts stop being signed with the previous secret
            as well, or null.
        header_names (list[str]): The names of the endpoint's own headers. Their values are not shown.
    """

    id: UUID
    url: str
    events: list[str]
    active: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime
    rate_limit: int | None
    description: None | str
    metadata: WebhookMetadata
    channels: list[str] | None
    filter_: FilterType0 | None
    inactive_since: datetime.datetime | None
    disabled_reason: None | WebhookDetailsDisabledReason
    disabled_at: datetime.datetime | None
    slow_since: datetime.datetime | None
    failing_since: datetime.datetime | None
    paused_at: datetime.datetime | None
    next_probe_at: datetime.datetime | None
    previous_secret_expires_at: datetime.datetime | None
    header_names: list[str]

    def to_dict(self) -> dict[str, Any]:
        from ..models.filter_type_0 import FilterType0  # noqa: PLC0415

        id = str(self.id)

        url = self.url

        events = self.events

        active = self.active

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        rate_limit: int | None
        rate_limit = self.rate_limit

        description: None | str
        description = self.description

        metadata = self.metadata.to_dict()

        channels: list[str] | None
        if isinstance(self.channels, list):
            channels = self.channels

        else:
            channels = self.channels

        filter_: dict[str, Any] | None
        if isinstance(self.filter_, FilterType0):
            filter_ = self.filter_.to_dict()
        else:
            filter_ = self.filter_

        inactive_since: None | str
        if isinstance(self.inactive_since, datetime.datetime):
            inactive_since = self.inactive_since.isoformat()
        else:
            inactive_since = self.inactive_since

        disabled_reason: None | str
        if isinstance(self.disabled_reason, str):
            disabled_reason = self.disabled_reason
        else:
            disabled_reason = self.disabled_reason

        disabled_at: None | str
        if isinstance(self.disabled_at, datetime.datetime):
            disabled_at = self.disabled_at.isoformat()
        else:
            disabled_at = self.disabled_at

        slow_since: None | str
        if isinstance(self.slow_since, datetime.datetime):
            slow_since = self.slow_since.isoformat()
        else:
            slow_since = self.slow_since

        failing_since: None | str
        if isinstance(self.failing_since, datetime.datetime):
            failing_since = self.failing_since.isoformat()
        else:
            failing_since = self.failing_since

        paused_at: None | str
        if isinstance(self.paused_at, datetime.datetime):
            paused_at = self.paused_at.isoformat()
        else:
            paused_at = self.paused_at

        next_probe_at: None | str
        if isinstance(self.next_probe_at, datetime.datetime):
            next_probe_at = self.next_probe_at.isoformat()
        else:
            next_probe_at = self.next_probe_at

        previous_secret_expires_at: None | str
        if isinstance(self.previous_secret_expires_at, datetime.datetime):
            previous_secret_expires_at = self.previous_secret_expires_at.isoformat()
        else:
            previous_secret_expires_at = self.previous_secret_expires_at

        header_names = self.header_names

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "url": url,
                "events": events,
                "active": active,
                "createdAt": created_at,
                "updatedAt": updated_at,
                "rateLimit": rate_limit,
                "description": description,
                "metadata": metadata,
                "channels": channels,
                "filter": filter_,
                "inactiveSince": inactive_since,
                "disabledReason": disabled_reason,
                "disabledAt": disabled_at,
                "slowSince": slow_since,
                "failingSince": failing_since,
                "pausedAt": paused_at,
                "nextProbeAt": next_probe_at,
                "previousSecretExpiresAt": previous_secret_expires_at,
                "headerNames": header_names,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.filter_type_0 import FilterType0  # noqa: PLC0415
        from ..models.webhook_metadata import WebhookMetadata  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        url = d.pop("url")

        events = cast(list[str], d.pop("events"))

        active = d.pop("active")

        created_at = datetime.datetime.fromisoformat(d.pop("createdAt"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updatedAt"))

        def _parse_rate_limit(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        rate_limit = _parse_rate_limit(d.pop("rateLimit"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        metadata = WebhookMetadata.from_dict(d.pop("metadata"))

        def _parse_channels(data: object) -> list[str] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                componentsschemas_channels_type_0 = cast(list[str], data)

                return componentsschemas_channels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None, data)

        channels = _parse_channels(d.pop("channels"))

        def _parse_filter_(data: object) -> FilterType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_filter_type_0 = FilterType0.from_dict(data)

                return componentsschemas_filter_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(FilterType0 | None, data)

        filter_ = _parse_filter_(d.pop("filter"))

        def _parse_inactive_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                inactive_since_type_0 = datetime.datetime.fromisoformat(data)

                return inactive_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        inactive_since = _parse_inactive_since(d.pop("inactiveSince"))

        def _parse_disabled_reason(data: object) -> None | WebhookDetailsDisabledReason:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                disabled_reason_disabled_reason = check_webhook_details_disabled_reason(data)

                return disabled_reason_disabled_reason
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | WebhookDetailsDisabledReason, data)

        disabled_reason = _parse_disabled_reason(d.pop("disabledReason"))

        def _parse_disabled_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                disabled_at_type_0 = datetime.datetime.fromisoformat(data)

                return disabled_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        disabled_at = _parse_disabled_at(d.pop("disabledAt"))

        def _parse_slow_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                slow_since_type_0 = datetime.datetime.fromisoformat(data)

                return slow_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        slow_since = _parse_slow_since(d.pop("slowSince"))

        def _parse_failing_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                failing_since_type_0 = datetime.datetime.fromisoformat(data)

                return failing_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        failing_since = _parse_failing_since(d.pop("failingSince"))

        def _parse_paused_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                paused_at_type_0 = datetime.datetime.fromisoformat(data)

                return paused_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        paused_at = _parse_paused_at(d.pop("pausedAt"))

        def _parse_next_probe_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                next_probe_at_type_0 = datetime.datetime.fromisoformat(data)

                return next_probe_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        next_probe_at = _parse_next_probe_at(d.pop("nextProbeAt"))

        def _parse_previous_secret_expires_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                previous_secret_expires_at_type_0 = datetime.datetime.fromisoformat(data)

                return previous_secret_expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        previous_secret_expires_at = _parse_previous_secret_expires_at(
            d.pop("previousSecretExpiresAt")
        )

        header_names = cast(list[str], d.pop("headerNames"))

        webhook_details = cls(
            id=id,
            url=url,
            events=events,
            active=active,
            created_at=created_at,
            updated_at=updated_at,
            rate_limit=rate_limit,
            description=description,
            metadata=metadata,
            channels=channels,
            filter_=filter_,
            inactive_since=inactive_since,
            disabled_reason=disabled_reason,
            disabled_at=disabled_at,
            slow_since=slow_since,
            failing_since=failing_since,
            paused_at=paused_at,
            next_probe_at=next_probe_at,
            previous_secret_expires_at=previous_secret_expires_at,
            header_names=header_names,
        )

        return webhook_details
