from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.filter_alternative_type_1 import FilterAlternativeType1
    from ..models.filter_field_type_1 import FilterFieldType1


T = TypeVar("T", bound="GivenFilterType0")


@_attrs_define
class GivenFilterType0:
    """What an event's data must match for the endpoint to get the event, in the syntax of Amazon EventBridge's event
    patterns: each field has a list of alternatives, which are values or the operators `prefix`, `suffix`, `equals-
    ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists` and `cidr`; `$or` has alternatives for whole objects.
    All fields must match. At most 4,096 bytes, nested at most 20 deep. Null for no filter. Errors name the place in the
    filter, such as `filter.order.total[0].numeric`.

    """

    additional_properties: dict[
        str, FilterFieldType1 | list[bool | FilterAlternativeType1 | float | None | str]
    ] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.filter_alternative_type_1 import FilterAlternativeType1  # noqa: PLC0415

        field_dict: dict[str, Any] = {}
        for prop_name, prop in self.additional_properties.items():
            if isinstance(prop, list):
                field_dict[prop_name] = []
                for componentsschemas_filter_field_type_0_item_data in prop:
                    componentsschemas_filter_field_type_0_item: (
                        bool | dict[str, Any] | float | None | str
                    )
                    if isinstance(
                        componentsschemas_filter_field_type_0_item_data, FilterAlternativeType1
                    ):
                        componentsschemas_filter_field_type_0_item = (
                            componentsschemas_filter_field_type_0_item_data.to_dict()
                        )
                    else:
                        componentsschemas_filter_field_type_0_item = (
                            componentsschemas_filter_field_type_0_item_data
                        )
                    field_dict[prop_name].append(componentsschemas_filter_field_type_0_item)

            else:
                field_dict[prop_name] = prop.to_dict()

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.filter_alternative_type_1 import FilterAlternativeType1  # noqa: PLC0415
        from ..models.filter_field_type_1 import FilterFieldType1  # noqa: PLC0415

        d = dict(src_dict)
        given_filter_type_0 = cls()

        additional_properties = {}
        for prop_name, prop_dict in d.items():

            def _parse_additional_property(
                data: object,
            ) -> FilterFieldType1 | list[bool | FilterAlternativeType1 | float | None | str]:
                try:
                    if not isinstance(data, list):
                        raise TypeError()
                    componentsschemas_filter_field_type_0 = []
                    _componentsschemas_filter_field_type_0 = data
                    for (
                        componentsschemas_filter_field_type_0_item_data
                    ) in _componentsschemas_filter_field_type_0:

                        def _parse_componentsschemas_filter_field_type_0_item(
                            data: object,
                        ) -> bool | FilterAlternativeType1 | float | None | str:
                            if data is None:
                                return data
                            try:
                                if not isinstance(data, dict):
                                    raise TypeError()
                                componentsschemas_filter_alternative_type_1 = (
                                    FilterAlternativeType1.from_dict(data)
                                )

                                return componentsschemas_filter_alternative_type_1
                            except (TypeError, ValueError, AttributeError, KeyError):
                                pass
                            return cast(bool | FilterAlternativeType1 | float | None | str, data)

                        componentsschemas_filter_field_type_0_item = (
                            _parse_componentsschemas_filter_field_type_0_item(
                                componentsschemas_filter_field_type_0_item_data
                            )
                        )

                        componentsschemas_filter_field_type_0.append(
                            componentsschemas_filter_field_type_0_item
                        )

                    return componentsschemas_filter_field_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_filter_field_type_1 = FilterFieldType1.from_dict(data)

                return componentsschemas_filter_field_type_1

            additional_property = _parse_additional_property(prop_dict)

            additional_properties[prop_name] = additional_property

        given_filter_type_0.additional_properties = additional_properties
        return given_filter_type_0

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(
        self, key: str
    ) -> FilterFieldType1 | list[bool | FilterAlternativeType1 | float | None | str]:
        return self.additional_properties[key]

    def __setitem__(
        self,
        key: str,
        value: FilterFieldType1 | list[bool | FilterAlternativeType1 | float | None | str],
    ) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
