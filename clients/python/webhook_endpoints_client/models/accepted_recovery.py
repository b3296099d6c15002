from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="AcceptedRecovery")


@_attrs_define
class AcceptedRecovery:
    """
    Attributes:
        deliveries (int): The number of deliveries that will be created. Test pings are not included.
        at_least (bool): Whether `deliveries` is a lower bound, because counting took longer than 5 seconds. All
            deliveries are still created, up to 10,000.
    """

    deliveries: int
    at_least: bool

    def to_dict(self) -> dict[str, Any]:
        deliveries = self.deliveries

        at_least = self.at_least

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "deliveries": deliveries,
                "atLeast": at_least,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        deliveries = d.pop("deliveries")

        at_least = d.pop("atLeast")

        accepted_recovery = cls(
            deliveries=deliveries,
            at_least=at_least,
        )

        return accepted_recovery
