from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.access_kind import AccessKind, check_access_kind
from ..models.access_scope import AccessScope, check_access_scope

T = TypeVar("T", bound="Access")


@_attrs_define
class Access:
    """
    Attributes:
        kind (AccessKind):
        app_id (None | str): The only app that it can access. Null for the platform's keys.
        scope (AccessScope): What it allows there, as each call names it.
        webhook_id (None | UUID): The only endpoint that it can access. Null if it is not limited to one.
        expires_at (datetime.datetime | None): When it stops working. Null if it does not expire.
    """

    kind: AccessKind
    app_id: None | str
    scope: AccessScope
    webhook_id: None | UUID
    expires_at: datetime.datetime | None

    def to_dict(self) -> dict[str, Any]:
        kind: str = self.kind

        app_id: None | str
        app_id = self.app_id

        scope: str = self.scope

        webhook_id: None | str
        if isinstance(self.webhook_id, UUID):
            webhook_id = str(self.webhook_id)
        else:
            webhook_id = self.webhook_id

        expires_at: None | str
        if isinstance(self.expires_at, datetime.datetime):
            expires_at = self.expires_at.isoformat()
        else:
            expires_at = self.expires_at

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "kind": kind,
                "appId": app_id,
                "scope": scope,
                "webhookId": webhook_id,
                "expiresAt": expires_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kind = check_access_kind(d.pop("kind"))

        def _parse_app_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        app_id = _parse_app_id(d.pop("appId"))

        scope = check_access_scope(d.pop("scope"))

        def _parse_webhook_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                webhook_id_type_0 = UUID(data)

                return webhook_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        webhook_id = _parse_webhook_id(d.pop("webhookId"))

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

        access = cls(
            kind=kind,
            app_id=app_id,
            scope=scope,
            webhook_id=webhook_id,
            expires_at=expires_at,
        )

        return access
