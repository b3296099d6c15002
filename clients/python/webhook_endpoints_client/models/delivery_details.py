from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.delivery_details_reason import (
    DeliveryDetailsReason,
    check_delivery_details_reason,
)
from ..models.delivery_status import DeliveryStatus, check_delivery_status

if TYPE_CHECKING:
    from ..models.attempt import Attempt


T = TypeVar("T", bound="DeliveryDetails")


@_attrs_define
class DeliveryDetails:
    """
    Attributes:
        id (UUID): The delivery's id.
        event (str): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        status (DeliveryStatus): `PENDING`: another attempt will be made. `DELIVERED`: the receiver responded with 2xx.
            `FAILED`: no further attempt will be made.
        response_status (int | None): The HTTP status of the last attempt's response, or null.
        attempts (int): The number of attempts made so far.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        delivered_at (datetime.datetime | None): When the receiver accepted the delivery, or null.
        next_retry_at (datetime.datetime | None): When the next attempt is due, or null.
        event_id (UUID): The event's id, sent as `webhook-id`.
        test (bool): Whether this is a test ping, whatever its event type.
        payload (Any): The body that is sent to the receiver, or null if it is no longer stored. A `Payload`, unless the
            deployment has another `PayloadFormat`: then it is only the event's data, or an object with the data's fields
            after a field `event`. It has the format of new attempts, even if earlier ones had another.
        payload_deleted_at (datetime.datetime | None): When the payload was deleted, or null. Nothing is sent any more,
            and `responseBody` is empty for all attempts.
        reason (DeliveryDetailsReason | None): Why the delivery ended without another attempt, or null.
            `ENDPOINT_INACTIVE`: the endpoint was inactive, so no further attempt was made; a recovery sends the event.
            `PAYLOAD_EXPIRED`: the payload was no longer stored. `PAYLOAD_DELETED`: the payload was deleted.
        error (None | str): `reason` in words, or null.
        attempt_log (list[Attempt]): The attempts, oldest first.
    """

    id: UUID
    event: str
    status: DeliveryStatus
    response_status: int | None
    attempts: int
    created_at: datetime.datetime
    delivered_at: datetime.datetime | None
    next_retry_at: datetime.datetime | None
    event_id: UUID
    test: bool
    payload: Any
    payload_deleted_at: datetime.datetime | None
    reason: DeliveryDetailsReason | None
    error: None | str
    attempt_log: list[Attempt]

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        event = self.event

        status: str = self.status

        response_status: int | None
        response_status = self.response_status

        attempts = self.attempts

        created_at = self.created_at.isoformat()

        delivered_at: None | str
        if isinstance(self.delivered_at, datetime.datetime):
            delivered_at = self.delivered_at.isoformat()
        else:
            delivered_at = self.delivered_at

        next_retry_at: None | str
        if isinstance(self.next_retry_at, datetime.datetime):
            next_retry_at = self.next_retry_at.isoformat()
        else:
            next_retry_at = self.next_retry_at

        event_id = str(self.event_id)

        test = self.test

        payload = self.payload

        payload_deleted_at: None | str
        if isinstance(self.payload_deleted_at, datetime.datetime):
            payload_deleted_at = self.payload_deleted_at.isoformat()
        else:
            payload_deleted_at = self.payload_deleted_at

        reason: None | str
        if isinstance(self.reason, str):
            reason = self.reason
        else:
            reason = self.reason

        error: None | str
        error = self.error

        attempt_log = []
        for attempt_log_item_data in self.attempt_log:
            attempt_log_item = attempt_log_item_data.to_dict()
            attempt_log.append(attempt_log_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "event": event,
                "status": status,
                "responseStatus": response_status,
                "attempts": attempts,
                "createdAt": created_at,
                "deliveredAt": delivered_at,
                "nextRetryAt": next_retry_at,
                "eventId": event_id,
                "test": test,
                "payload": payload,
                "payloadDeletedAt": payload_deleted_at,
                "reason": reason,
                "error": error,
                "attemptLog": attempt_log,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.attempt import Attempt  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        event = d.pop("event")

        status = check_delivery_status(d.pop("status"))

        def _parse_response_status(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        response_status = _parse_response_status(d.pop("responseStatus"))

        attempts = d.pop("attempts")

        created_at = datetime.datetime.fromisoformat(d.pop("createdAt"))

        def _parse_delivered_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                delivered_at_type_0 = datetime.datetime.fromisoformat(data)

                return delivered_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        delivered_at = _parse_delivered_at(d.pop("deliveredAt"))

        def _parse_next_retry_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                next_retry_at_type_0 = datetime.datetime.fromisoformat(data)

                return next_retry_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        next_retry_at = _parse_next_retry_at(d.pop("nextRetryAt"))

        event_id = UUID(d.pop("eventId"))

        test = d.pop("test")

        payload = d.pop("payload")

        def _parse_payload_deleted_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                payload_deleted_at_type_0 = datetime.datetime.fromisoformat(data)

                return payload_deleted_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        payload_deleted_at = _parse_payload_deleted_at(d.pop("payloadDeletedAt"))

        def _parse_reason(data: object) -> DeliveryDetailsReason | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                reason_reason = check_delivery_details_reason(data)

                return reason_reason
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DeliveryDetailsReason | None, data)

        reason = _parse_reason(d.pop("reason"))

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(d.pop("error"))

        attempt_log = []
        _attempt_log = d.pop("attemptLog")
        for attempt_log_item_data in _attempt_log:
            attempt_log_item = Attempt.from_dict(attempt_log_item_data)

            attempt_log.append(attempt_log_item)

        delivery_details = cls(
            id=id,
            event=event,
            status=status,
            response_status=response_status,
            attempts=attempts,
            created_at=created_at,
            delivered_at=delivered_at,
            next_retry_at=next_retry_at,
            event_id=event_id,
            test=test,
            payload=payload,
            payload_deleted_at=payload_deleted_at,
            reason=reason,
            error=error,
            attempt_log=attempt_log,
        )

        return delivery_details
