from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="FilterTestOutcome")


@_attrs_define
class FilterTestOutcome:
    """
    Attributes:
        matches (bool): Whether the endpoint would get the event.
        failed_at (None | str): What excludes the event: `type`, `channels`, or the place in the filter of the first
            field that does not match, such as `filter.order.total`. Null if nothing does.
    """

    matches: bool
    failed_at: None | str

    def to_dict(self) -> dict[str, Any]:
        matches = self.matches

        failed_at: None | str
        failed_at = self.failed_at

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "matches": matches,
                "failedAt": failed_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        matches = d.pop("matches")

        def _parse_failed_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        failed_at = _parse_failed_at(d.pop("failedAt"))

        filter_test_outcome = cls(
            matches=matches,
            failed_at=failed_at,
        )

        return filter_test_outcome
