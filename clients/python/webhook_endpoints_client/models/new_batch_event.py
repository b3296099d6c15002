from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="NewBatchEvent")


@_attrs_define
class NewBatchEvent:
    """
    Attributes:
        type_ (str): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        data (Any): Any JSON, nested at most 128 deep. Receivers get it exactly as written.
        timestamp (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from 0000-01-01T00:00:00Z to
            9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        channels (list[str] | Unset): The event's channels, at most 10 distinct ones. Endpoints that have channels get
            the event only if they have one of these; endpoints without channels always get it.
        webhook_id (UUID | Unset): The only endpoint that the event is for. It must belong to the app, and gets the
            event only if it subscribes to it like any other.
        idempotency_key (str | Unset): Does for this event what the header `Idempotency-Key` does for a request with one
            event. If several events in a batch have the same key, only the first valid one is published; the others get its
            id.
        store_payload (bool | Unset): Whether to store the payload and receivers' responses for the history. If false,
            the payload is deleted once its last attempt has ended, and responses are not stored at all; its deliveries
            can't be resent, recovered or replayed. Defaults to true.
    """

    type_: str
    data: Any
    timestamp: datetime.datetime | Unset = UNSET
    channels: list[str] | Unset = UNSET
    webhook_id: UUID | Unset = UNSET
    idempotency_key: str | Unset = UNSET
    store_payload: bool | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        data = self.data

        timestamp: str | Unset = UNSET
        if not isinstance(self.timestamp, Unset):
            timestamp = self.timestamp.isoformat()

        channels: list[str] | Unset = UNSET
        if not isinstance(self.channels, Unset):
            channels = self.channels

        webhook_id: str | Unset = UNSET
        if not isinstance(self.webhook_id, Unset):
            webhook_id = str(self.webhook_id)

        idempotency_key = self.idempotency_key

        store_payload = self.store_payload

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "type": type_,
                "data": data,
            }
        )
        if timestamp is not UNSET:
            field_dict["timestamp"] = timestamp
        if channels is not UNSET:
            field_dict["channels"] = channels
        if webhook_id is not UNSET:
            field_dict["webhookId"] = webhook_id
        if idempotency_key is not UNSET:
            field_dict["idempotencyKey"] = idempotency_key
        if store_payload is not UNSET:
            field_dict["storePayload"] = store_payload

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = d.pop("type")

        data = d.pop("data")

        _timestamp = d.pop("timestamp", UNSET)
        timestamp: datetime.datetime | Unset
        if isinstance(_timestamp, Unset):
            timestamp = UNSET
        else:
            timestamp = datetime.datetime.fromisoformat(_timestamp)

        channels = cast(list[str], d.pop("channels", UNSET))

        _webhook_id = d.pop("webhookId", UNSET)
        webhook_id: UUID | Unset
        if isinstance(_webhook_id, Unset):
            webhook_id = UNSET
        else:
            webhook_id = UUID(_webhook_id)

        idempotency_key = d.pop("idempotencyKey", UNSET)

        store_payload = d.pop("storePayload", UNSET)

        new_batch_event = cls(
            type_=type_,
            data=data,
            timestamp=timestamp,
            channels=channels,
            webhook_id=webhook_id,
            idempotency_key=idempotency_key,
            store_payload=store_payload,
        )

        return new_batch_event
