from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Fault")


@_attrs_define
class Fault:
    """
    Attributes:
        field (str): The invalid field, as the caller wrote it: `url`, `events[3]`, `limit`.
        message (str): The problem, phrased to follow the field's name: `must be a string`.
    """

    field: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        field = self.field

        message = self.message

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "field": field,
                "message": message,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        field = d.pop("field")

        message = d.pop("message")

        fault = cls(
            field=field,
            message=message,
        )

        return fault
