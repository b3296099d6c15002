from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="NewPing")


@_attrs_define
class NewPing:
    """
    Attributes:
        type_ (str | Unset): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
    """

    type_: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if type_ is not UNSET:
            field_dict["type"] = type_

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = d.pop("type", UNSET)

        new_ping = cls(
            type_=type_,
        )

        return new_ping
