from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.given_filter_type_0 import GivenFilterType0


T = TypeVar("T", bound="FilterTest")


@_attrs_define
class FilterTest:
    """
    Attributes:
        data (Any): The data of an event: any JSON, nested at most 128 deep.
        filter_ (GivenFilterType0 | None | Unset): What an event's data must match for the endpoint to get the event, in
            the syntax of Amazon EventBridge's event patterns: each field has a list of alternatives, which are values or
            the operators `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists` and
            `cidr`; `$or` has alternatives for whole objects. All fields must match. At most 4,096 bytes, nested at most 20
            deep. Null for no filter. Errors name the place in the filter, such as `filter.order.total[0].numeric`.
        type_ (str | Unset): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        channels (list[str] | Unset): The event's channels, at most 10 distinct ones. Endpoints that have channels get
            the event only if they have one of these; endpoints without channels always get it.
    """

    data: Any
    filter_: GivenFilterType0 | None | Unset = UNSET
    type_: str | Unset = UNSET
    channels: list[str] | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.given_filter_type_0 import GivenFilterType0  # noqa: PLC0415

        data = self.data

        filter_: dict[str, Any] | None | Unset
        if isinstance(self.filter_, Unset):
            filter_ = UNSET
        elif isinstance(self.filter_, GivenFilterType0):
            filter_ = self.filter_.to_dict()
        else:
            filter_ = self.filter_

        type_ = self.type_

        channels: list[str] | Unset = UNSET
        if not isinstance(self.channels, Unset):
            channels = self.channels

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "data": data,
            }
        )
        if filter_ is not UNSET:
            field_dict["filter"] = filter_
        if type_ is not UNSET:
            field_dict["type"] = type_
        if channels is not UNSET:
            field_dict["channels"] = channels

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.given_filter_type_0 import GivenFilterType0  # noqa: PLC0415

        d = dict(src_dict)
        data = d.pop("data")

        def _parse_filter_(data: object) -> GivenFilterType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_given_filter_type_0 = GivenFilterType0.from_dict(data)

                return componentsschemas_given_filter_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(GivenFilterType0 | None | Unset, data)

        filter_ = _parse_filter_(d.pop("filter", UNSET))

        type_ = d.pop("type", UNSET)

        channels = cast(list[str], d.pop("channels", UNSET))

        filter_test = cls(
            data=data,
            filter_=filter_,
            type_=type_,
            channels=channels,
        )

        return filter_test
