from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.event_delivery import EventDelivery
    from ..models.payload import Payload


T = TypeVar("T", bound="EventDetails")


@_attrs_define
class EventDetails:
    """
    Attributes:
        id (UUID): The event's id, sent as `webhook-id`.
        type_ (None | str): The event's type, or null if the event is not stored.
        created_at (datetime.datetime | None): When the event was accepted. Null if it was published with an
            `Idempotency-Key` and is not stored.
        payload (None | Payload): The event, as receivers get it in the standard format, or null if the event is not
            stored, its payload was deleted, or it was published with `storePayload: false` and no attempt needs it any
            more.
        payload_deleted_at (datetime.datetime | None): When the payload was deleted, or null. Nothing is sent any more.
        deliveries (list[EventDelivery]): The deliveries of the event, one for each endpoint, the newest endpoint first.
            A delivery appears after its first attempt. Deliveries that repeat one (by a resend or a recovery) are only in
            the endpoint's history.
    """

    id: UUID
    type_: None | str
    created_at: datetime.datetime | None
    payload: None | Payload
    payload_deleted_at: datetime.datetime | None
    deliveries: list[EventDelivery]

    def to_dict(self) -> dict[str, Any]:
        from ..models.payload import Payload  # noqa: PLC0415

        id = str(self.id)

        type_: None | str
        type_ = self.type_

        created_at: None | str
        if isinstance(self.created_at, datetime.datetime):
            created_at = self.created_at.isoformat()
        else:
            created_at = self.created_at

        payload: dict[str, Any] | None
        if isinstance(self.payload, Payload):
            payload = self.payload.to_dict()
        else:
            payload = self.payload

        payload_deleted_at: None | str
        if isinstance(self.payload_deleted_at, datetime.datetime):
            payload_deleted_at = self.payload_deleted_at.isoformat()
        else:
            payload_deleted_at = self.payload_deleted_at

        deliveries = []
        for deliveries_item_data in self.deliveries:
            deliveries_item = deliveries_item_data.to_dict()
            deliveries.append(deliveries_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "type": type_,
                "createdAt": created_at,
                "payload": payload,
                "payloadDeletedAt": payload_deleted_at,
                "deliveries": deliveries,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.event_delivery import EventDelivery  # noqa: PLC0415
        from ..models.payload import Payload  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        def _parse_type_(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        type_ = _parse_type_(d.pop("type"))

        def _parse_created_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                created_at_type_0 = datetime.datetime.fromisoformat(data)

                return created_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        created_at = _parse_created_at(d.pop("createdAt"))

        def _parse_payload(data: object) -> None | Payload:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                payload_type_0 = Payload.from_dict(data)

                return payload_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Payload, data)

        payload = _parse_payload(d.pop("payload"))

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

        deliveries = []
        _deliveries = d.pop("deliveries")
        for deliveries_item_data in _deliveries:
            deliveries_item = EventDelivery.from_dict(deliveries_item_data)

            deliveries.append(deliveries_item)

        event_details = cls(
            id=id,
            type_=type_,
            created_at=created_at,
            payload=payload,
            payload_deleted_at=payload_deleted_at,
            deliveries=deliveries,
        )

        return event_details
