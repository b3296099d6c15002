from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define

T = TypeVar("T", bound="AcceptedEvent")


@_attrs_define
class AcceptedEvent:
    """
    Attributes:
        id (UUID): The event's id, sent as `webhook-id`. Requests with the same `Idempotency-Key` get the same id.
        type_ (str): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        timestamp (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
    """

    id: UUID
    type_: str
    timestamp: datetime.datetime

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        type_ = self.type_

        timestamp = self.timestamp.isoformat()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "type": type_,
                "timestamp": timestamp,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        type_ = d.pop("type")

        timestamp = datetime.datetime.fromisoformat(d.pop("timestamp"))

        accepted_event = cls(
            id=id,
            type_=type_,
            timestamp=timestamp,
        )

        return accepted_event
