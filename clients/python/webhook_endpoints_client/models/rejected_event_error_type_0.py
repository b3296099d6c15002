from __future__ import annotations

from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    cast,
)

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.fault import Fault


T = TypeVar("T", bound="RejectedEventErrorType0")


@_attrs_define
class RejectedEventErrorType0:
    """
    Attributes:
        code (Literal['VALIDATION_ERROR']):
        message (str):
        details (list[Fault]): The problems with this event: the first 100, divided by the number of events in the
            request.
    """

    code: Literal["VALIDATION_ERROR"]
    message: str
    details: list[Fault]

    def to_dict(self) -> dict[str, Any]:
        code = self.code

        message = self.message

        details = []
        for details_item_data in self.details:
            details_item = details_item_data.to_dict()
            details.append(details_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "code": code,
                "message": message,
                "details": details,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.fault import Fault  # noqa: PLC0415

        d = dict(src_dict)
        code = cast(Literal["VALIDATION_ERROR"], d.pop("code"))
        if code != "VALIDATION_ERROR":
            raise ValueError(f"code must match const 'VALIDATION_ERROR', got '{code}'")

        message = d.pop("message")

        details = []
        _details = d.pop("details")
        for details_item_data in _details:
            details_item = Fault.from_dict(details_item_data)

            details.append(details_item)

        rejected_event_error_type_0 = cls(
            code=code,
            message=message,
            details=details,
        )

        return rejected_event_error_type_0
