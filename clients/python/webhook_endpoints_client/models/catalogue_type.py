from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.type_schema_type_0 import TypeSchemaType0


T = TypeVar("T", bound="CatalogueType")


@_attrs_define
class CatalogueType:
    """
    Attributes:
        name (str): An event type: segments of letters, digits, `_` and `-`, separated by full stops.
        description (str): What the type means, for people. Line breaks and tabs are allowed, other control characters
            are not.
        schema (bool | None | TypeSchemaType0): JSON Schema 2020-12 of the `data` of events of this type, as it was
            written.
        example (Any): `data` that an event of this type could have, as it was written. Null if there is none.
        group (None | str):
        deprecated (bool): Whether new subscriptions should avoid it. It works as before.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        updated_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
    """

    name: str
    description: str
    schema: bool | None | TypeSchemaType0
    example: Any
    group: None | str
    deprecated: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime

    def to_dict(self) -> dict[str, Any]:
        from ..models.type_schema_type_0 import TypeSchemaType0  # noqa: PLC0415

        name = self.name

        description = self.description

        schema: bool | dict[str, Any] | None
        if isinstance(self.schema, TypeSchemaType0):
            schema = self.schema.to_dict()
        else:
            schema = self.schema

        example = self.example

        group: None | str
        group = self.group

        deprecated = self.deprecated

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
                "description": description,
                "schema": schema,
                "example": example,
                "group": group,
                "deprecated": deprecated,
                "createdAt": created_at,
                "updatedAt": updated_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.type_schema_type_0 import TypeSchemaType0  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        description = d.pop("description")

        def _parse_schema(data: object) -> bool | None | TypeSchemaType0:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_type_schema_type_0 = TypeSchemaType0.from_dict(data)

                return componentsschemas_type_schema_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(bool | None | TypeSchemaType0, data)

        schema = _parse_schema(d.pop("schema"))

        example = d.pop("example")

        def _parse_group(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        group = _parse_group(d.pop("group"))

        deprecated = d.pop("deprecated")

        created_at = datetime.datetime.fromisoformat(d.pop("createdAt"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updatedAt"))

        catalogue_type = cls(
            name=name,
            description=description,
            schema=schema,
            example=example,
            group=group,
            deprecated=deprecated,
            created_at=created_at,
            updated_at=updated_at,
        )

        return catalogue_type
