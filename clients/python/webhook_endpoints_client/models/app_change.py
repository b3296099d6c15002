from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.metadata import Metadata


T = TypeVar("T", bound="AppChange")


@_attrs_define
class AppChange:
    """
    Attributes:
        name (None | str | Unset): For people. Null for none.
        metadata (Metadata | Unset): For the platform's own use.
        id (Any | Unset): Ignored.
        status (Any | Unset): Ignored.
        created_at (Any | Unset): Ignored.
        updated_at (Any | Unset): Ignored.
        endpoints (Any | Unset): Ignored.
        keys (Any | Unset): Ignored.
    """

    name: None | str | Unset = UNSET
    metadata: Metadata | Unset = UNSET
    id: Any | Unset = UNSET
    status: Any | Unset = UNSET
    created_at: Any | Unset = UNSET
    updated_at: Any | Unset = UNSET
    endpoints: Any | Unset = UNSET
    keys: Any | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        name: None | str | Unset
        if isinstance(self.name, Unset):
            name = UNSET
        else:
            name = self.name

        metadata: dict[str, Any] | Unset = UNSET
        if not isinstance(self.metadata, Unset):
            metadata = self.metadata.to_dict()

        id = self.id

        status = self.status

        created_at = self.created_at

        updated_at = self.updated_at

        endpoints = self.endpoints

        keys = self.keys

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if name is not UNSET:
            field_dict["name"] = name
        if metadata is not UNSET:
            field_dict["metadata"] = metadata
        if id is not UNSET:
            field_dict["id"] = id
        if status is not UNSET:
            field_dict["status"] = status
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at
        if updated_at is not UNSET:
            field_dict["updatedAt"] = updated_at
        if endpoints is not UNSET:
            field_dict["endpoints"] = endpoints
        if keys is not UNSET:
            field_dict["keys"] = keys

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.metadata import Metadata  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        name = _parse_name(d.pop("name", UNSET))

        _metadata = d.pop("metadata", UNSET)
        metadata: Metadata | Unset
        if isinstance(_metadata, Unset):
            metadata = UNSET
        else:
            metadata = Metadata.from_dict(_metadata)

        id = d.pop("id", UNSET)

        status = d.pop("status", UNSET)

        created_at = d.pop("createdAt", UNSET)

        updated_at = d.pop("updatedAt", UNSET)

        endpoints = d.pop("endpoints", UNSET)

        keys = d.pop("keys", UNSET)

        app_change = cls(
            name=name,
            metadata=metadata,
            id=id,
            status=status,
            created_at=created_at,
            updated_at=updated_at,
            endpoints=endpoints,
            keys=keys,
        )

        return app_change
