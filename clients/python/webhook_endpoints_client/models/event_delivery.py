from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.delivery_status import DeliveryStatus, check_delivery_status
from ..models.event_delivery_reason import (
    EventDeliveryReason,
    check_event_delivery_reason,
)

T = TypeVar("T", bound="EventDelivery")


@_attrs_define
class EventDelivery:
    """
    Attributes:
        webhook_id (UUID): The endpoint's id.
        id (UUID): The delivery's id.
        event (str): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        status (DeliveryStatus): `PENDING`: another attempt will be made. `DELIVERED`: the receiver responded with 2xx.
            `FAILED`: no further attempt will be made.
        response_status (int | None): The HTTP status of the last attempt's response, or null.
        attempts (int): The number of attempts made so far.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        delivered_at (datetime.datetime | None): When the receiver accepted the delivery, or null.
        next_retry_at (datetime.datetime | None): When the next attempt is due, or null.
        reason (EventDeliveryReason | None): Why the delivery ended without another attempt, or null.
            `ENDPOINT_INACTIVE`: the endpoint was inactive, so no further attempt was made; a recovery sends the event.
            `PAYLOAD_EXPIRED`: the payload was no longer stored. `PAYLOAD_DELETED`: the payload was deleted.
    """

    webhook_id: UUID
    id: UUID
    event: str
    status: DeliveryStatus
    response_status: int | None
    attempts: int
    created_at: datetime.datetime
    delivered_at: datetime.datetime | None
    next_retry_at: datetime.datetime | None
    reason: EventDeliveryReason | None

    def to_dict(self) -> dict[str, Any]:
        webhook_id = str(self.webhook_id)

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

        reason: None | str
        if isinstance(self.reason, str):
            reason = self.reason
        else:
            reason = self.reason

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "webhookId": webhook_id,
                "id": id,
                "event": event,
                "status": status,
                "responseStatus": response_status,
                "attempts": attempts,
                "createdAt": created_at,
                "deliveredAt": delivered_at,
                "nextRetryAt": next_retry_at,
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        webhook_id = UUID(d.pop("webhookId"))

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

        def _parse_reason(data: object) -> EventDeliveryReason | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                reason_reason = check_event_delivery_reason(data)

                return reason_reason
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(EventDeliveryReason | None, data)

        reason = _parse_reason(d.pop("reason"))

        event_delivery = cls(
            webhook_id=webhook_id,
            id=id,
            event=event,
            status=status,
            response_status=response_status,
            attempts=attempts,
            created_at=created_at,
            delivered_at=delivered_at,
            next_retry_at=next_retry_at,
            reason=reason,
        )

        return event_delivery
