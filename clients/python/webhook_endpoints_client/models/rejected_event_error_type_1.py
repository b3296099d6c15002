from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..models.rejected_event_error_type_1_code import (
    RejectedEventErrorType1Code,
    check_rejected_event_error_type_1_code,
)

T = TypeVar("T", bound="RejectedEventErrorType1")


@_attrs_define
class RejectedEventErrorType1:
    """
    Attributes:
        code (RejectedEventErrorType1Code):
        message (str):
    """

    code: RejectedEventErrorType1Code
    message: str

    def to_dict(self) -> dict[str, Any]:
        code: str = self.code

        message = self.message

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "code": code,
                "message": message,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        code = check_rejected_event_error_type_1_code(d.pop("code"))

        message = d.pop("message")

        rejected_event_error_type_1 = cls(
            code=code,
            message=message,
        )

        return rejected_event_error_type_1
