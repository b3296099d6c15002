from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..models.attempt_body_note_type_0_code import (
    AttemptBodyNoteType0Code,
    check_attempt_body_note_type_0_code,
)

T = TypeVar("T", bound="AttemptBodyNoteType0")


@_attrs_define
class AttemptBodyNoteType0:
    """
    Attributes:
        code (AttemptBodyNoteType0Code):
        message (str):
    """

    code: AttemptBodyNoteType0Code
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
        code = check_attempt_body_note_type_0_code(d.pop("code"))

        message = d.pop("message")

        attempt_body_note_type_0 = cls(
            code=code,
            message=message,
        )

        return attempt_body_note_type_0
