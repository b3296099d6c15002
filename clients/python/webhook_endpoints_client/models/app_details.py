from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..models.app_details_status import AppDetailsStatus, check_app_details_status

if TYPE_CHECKING:
    from ..models.metadata import Metadata


T = TypeVar("T", bound="AppDetails")


@_attrs_define
class AppDetails:
    """
    Attributes:
        id (str): The platform's own id for its customer.
        name (None | str): For people. Null for none.
        metadata (Metadata): For the platform's own use.
        status (AppDetailsStatus): `DELETING` from the deletion of the app until all of its data is gone.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        updated_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        endpoints (int): The app's number of endpoints.
        keys (int): The app's number of working API keys.
    """

    id: str
    name: None | str
    metadata: Metadata
    status: AppDetailsStatus
    created_at: datetime.datetime
    updated_at: datetime.datetime
    endpoints: int
    keys: int

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        name: None | str
        name = self.name

        metadata = self.metadata.to_dict()

        status: str = self.status

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        endpoints = self.endpoints

        keys = self.keys

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "name": name,
                "metadata": metadata,
                "status": status,
                "createdAt": created_at,
                "updatedAt": updated_at,
                "endpoints": endpoints,
                "keys": keys,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.metadata import Metadata  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("id")

        def _parse_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        name = _parse_name(d.pop("name"))

        metadata = Metadata.from_dict(d.pop("metadata"))

        status = check_app_details_status(d.pop("status"))

        created_at = datetime.datetime.fromisoformat(d.pop("createdAt"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updatedAt"))

        endpoints = d.pop("endpoints")

        keys = d.pop("keys")

        app_details = cls(
            id=id,
            name=name,
            metadata=metadata,
            status=status,
            created_at=created_at,
            updated_at=updated_at,
            endpoints=endpoints,
            keys=keys,
        )

        return app_details
