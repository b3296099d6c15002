from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Payload")


@_attrs_define
class Payload:
    """The body that is sent to the receiver.

    Attributes:
        type_ (str): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        timestamp (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        data (Any): Any JSON, exactly as published.
    """

    type_: str
    timestamp: datetime.datetime
    data: Any

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        timestamp = self.timestamp.isoformat()

        data = self.data

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "type": type_,
                "timestamp": timestamp,
                "data": data,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = d.pop("type")

        timestamp = datetime.datetime.fromisoformat(d.pop("timestamp"))

        data = d.pop("data")

        payload = cls(
            type_=type_,
            timestamp=timestamp,
            data=data,
        )

        return payload
