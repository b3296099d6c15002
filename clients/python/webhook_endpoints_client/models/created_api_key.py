from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.scope import Scope, check_scope

T = TypeVar("T", bound="CreatedApiKey")


@_attrs_define
class CreatedApiKey:
    """
    Attributes:
        id (UUID):
        scope (Scope): What a key allows within its app: to `manage` endpoints and history, to `publish` events, to
            `read` everything, or `all` of these.
        label (str): A note about the key.
        ends (str): The key's last four characters.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        expires_at (datetime.datetime | None): When the key stops working, in whole seconds. Null if it does not expire.
        key (str): The API key. It is returned only here.
    """

    id: UUID
    scope: Scope
    label: str
    ends: str
    created_at: datetime.datetime
    expires_at: datetime.datetime | None
    key: str

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        scope: str = self.scope

        label = self.label

        ends = self.ends

        created_at = self.created_at.isoformat()

        expires_at: None | str
        if isinstance(self.expires_at, datetime.datetime):
            expires_at = self.expires_at.isoformat()
        else:
            expires_at = self.expires_at

        key = self.key

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "scope": scope,
                "label": label,
                "ends": ends,
                "createdAt": created_at,
                "expiresAt": expires_at,
                "key": key,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        scope = check_scope(d.pop("scope"))

        label = d.pop("label")

        ends = d.pop("ends")

        created_at = datetime.datetime.fromisoformat(d.pop("createdAt"))

        def _parse_expires_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                expires_at_type_0 = datetime.datetime.fromisoformat(data)

                return expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        expires_at = _parse_expires_at(d.pop("expiresAt"))

        key = d.pop("key")

        created_api_key = cls(
            id=id,
            scope=scope,
            label=label,
            ends=ends,
            created_at=created_at,
            expires_at=expires_at,
            key=key,
        )

        return created_api_key
