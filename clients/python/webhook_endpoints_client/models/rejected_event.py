from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.rejected_event_error_type_0 import RejectedEventErrorType0
    from ..models.rejected_event_error_type_1 import RejectedEventErrorType1


T = TypeVar("T", bound="RejectedEvent")


@_attrs_define
class RejectedEvent:
    """
    Attributes:
        error (RejectedEventErrorType0 | RejectedEventErrorType1):
    """

    error: RejectedEventErrorType0 | RejectedEventErrorType1

    def to_dict(self) -> dict[str, Any]:
        from ..models.rejected_event_error_type_0 import RejectedEventErrorType0  # noqa: PLC0415

        error: dict[str, Any]
        if isinstance(self.error, RejectedEventErrorType0):
            error = self.error.to_dict()
        else:
            error = self.error.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "error": error,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.rejected_event_error_type_0 import RejectedEventErrorType0  # noqa: PLC0415
        from ..models.rejected_event_error_type_1 import RejectedEventErrorType1  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_error(data: object) -> RejectedEventErrorType0 | RejectedEventErrorType1:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = RejectedEventErrorType0.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            error_type_1 = RejectedEventErrorType1.from_dict(data)

            return error_type_1

        error = _parse_error(d.pop("error"))

        rejected_event = cls(
            error=error,
        )

        return rejected_event
