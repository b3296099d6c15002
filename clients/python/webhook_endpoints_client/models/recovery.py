from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import (
    Any,
    Literal,
    TypeVar,
    cast,
)

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Recovery")


@_attrs_define
class Recovery:
    """
    Attributes:
        since (datetime.datetime): An ISO 8601 time with a UTC offset, from 0000-01-01T00:00:00Z to
            9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        status (Literal['FAILED']): The status of the deliveries to resend. Only `FAILED` is supported.
        until (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from 0000-01-01T00:00:00Z to
            9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
    """

    since: datetime.datetime
    status: Literal["FAILED"]
    until: datetime.datetime | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        since = self.since.isoformat()

        status = self.status

        until: str | Unset = UNSET
        if not isinstance(self.until, Unset):
            until = self.until.isoformat()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "since": since,
                "status": status,
            }
        )
        if until is not UNSET:
            field_dict["until"] = until

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        since = datetime.datetime.fromisoformat(d.pop("since"))

        status = cast(Literal["FAILED"], d.pop("status"))
        if status != "FAILED":
            raise ValueError(f"status must match const 'FAILED', got '{status}'")

        _until = d.pop("until", UNSET)
        until: datetime.datetime | Unset
        if isinstance(_until, Unset):
            until = UNSET
        else:
            until = datetime.datetime.fromisoformat(_until)

        recovery = cls(
            since=since,
            status=status,
            until=until,
        )

        return recovery
