from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.given_catalogue_type_schema_type_0 import GivenCatalogueTypeSchemaType0


T = TypeVar("T", bound="GivenCatalogueType")


@_attrs_define
class GivenCatalogueType:
    """
    Attributes:
        description (str): What the type means, for people. Line breaks and tabs are allowed, other control characters
            are not.
        schema (bool | GivenCatalogueTypeSchemaType0 | None | Unset): JSON Schema 2020-12 of the `data` of events of
            this type, nested at most 128 deep. Each keyword must have a value of the type that it takes, and `$schema`, if
            given, must name this dialect. Regular expressions, references and format names are not checked, and neither
            examples nor events are held against the schema.
        example (Any | Unset): `data` that an event of this type could have: any JSON, nested at most 128 deep, whose
            objects do not repeat a name. Test pings of this type send it. Null is none.
        group (None | str | Unset):
        deprecated (bool | Unset): Whether new subscriptions should avoid it. False by default.
        name (Any | Unset): Ignored.
        created_at (Any | Unset): Ignored.
        updated_at (Any | Unset): Ignored.
    """

    description: str
    schema: bool | GivenCatalogueTypeSchemaType0 | None | Unset = UNSET
    example: Any | Unset = UNSET
    group: None | str | Unset = UNSET
    deprecated: bool | Unset = UNSET
    name: Any | Unset = UNSET
    created_at: Any | Unset = UNSET
    updated_at: Any | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.given_catalogue_type_schema_type_0 import (
            GivenCatalogueTypeSchemaType0,  # noqa: PLC0415
        )

        description = self.description

        schema: bool | dict[str, Any] | None | Unset
        if isinstance(self.schema, Unset):
            schema = UNSET
        elif isinstance(self.schema, GivenCatalogueTypeSchemaType0):
            schema = self.schema.to_dict()
        else:
            schema = self.schema

        example = self.example

        group: None | str | Unset
        if isinstance(self.group, Unset):
            group = UNSET
        else:
            group = self.group

        deprecated = self.deprecated

        name = self.name

        created_at = self.created_at

        updated_at = self.updated_at

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "description": description,
            }
        )
        if schema is not UNSET:
            field_dict["schema"] = schema
        if example is not UNSET:
            field_dict["example"] = example
        if group is not UNSET:
            field_dict["group"] = group
        if deprecated is not UNSET:
            field_dict["deprecated"] = deprecated
        if name is not UNSET:
            field_dict["name"] = name
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at
        if updated_at is not UNSET:
            field_dict["updatedAt"] = updated_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.given_catalogue_type_schema_type_0 import (
            GivenCatalogueTypeSchemaType0,  # noqa: PLC0415
        )

        d = dict(src_dict)
        description = d.pop("description")

        def _parse_schema(data: object) -> bool | GivenCatalogueTypeSchemaType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                schema_type_0 = GivenCatalogueTypeSchemaType0.from_dict(data)

                return schema_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(bool | GivenCatalogueTypeSchemaType0 | None | Unset, data)

        schema = _parse_schema(d.pop("schema", UNSET))

        example = d.pop("example", UNSET)

        def _parse_group(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        group = _parse_group(d.pop("group", UNSET))

        deprecated = d.pop("deprecated", UNSET)

        name = d.pop("name", UNSET)

        created_at = d.pop("createdAt", UNSET)

        updated_at = d.pop("updatedAt", UNSET)

        given_catalogue_type = cls(
            description=description,
            schema=schema,
            example=example,
            group=group,
            deprecated=deprecated,
            name=name,
            created_at=created_at,
            updated_at=updated_at,
        )

        return given_catalogue_type
