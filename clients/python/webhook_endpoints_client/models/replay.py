from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Replay")


@_attrs_define
class Replay:
    """
    Attributes:
        since (datetime.datetime): An ISO 8601 time with a UTC offset, from 0000-01-01T00:00:00Z to
            9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        until (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from 0000-01-01T00:00:00Z to
            9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        types (list[str] | Unset): The event types and prefixes to subscribe to, at most 100 distinct ones. Duplicates
            are removed. If the deployment is strict about event types, each must match a type of the catalogue, except `*`.
    """

    since: datetime.datetime
    until: datetime.datetime | Unset = UNSET
    types: list[str] | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        since = self.since.isoformat()

        until: str | Unset = UNSET
        if not isinstance(self.until, Unset):
            until = self.until.isoformat()

        types: list[str] | Unset = UNSET
        if not isinstance(self.types, Unset):
            types = self.types

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "since": since,
            }
        )
        if until is not UNSET:
            field_dict["until"] = until
        if types is not UNSET:
            field_dict["types"] = types

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        since = datetime.datetime.fromisoformat(d.pop("since"))

        _until = d.pop("until", UNSET)
        until: datetime.datetime | Unset
        if isinstance(_until, Unset):
            until = UNSET
        else:
            until = datetime.datetime.fromisoformat(_until)

        types = cast(list[str], d.pop("types", UNSET))

        replay = cls(
            since=since,
            until=until,
            types=types,
        )

        return replay
