from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.session_scope import SessionScope, check_session_scope

T = TypeVar("T", bound="CreatedPortalSession")


@_attrs_define
class CreatedPortalSession:
    """
    Attributes:
        id (UUID):
        url (str): Opens the customer portal. The token is in the fragment, which browsers send to no server.
        token (str): Works as an API key until the session ends. It is returned only here.
        expires_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        scope (SessionScope): What a session allows: to `manage` endpoints and history, or to `read` everything.
        webhook_id (None | UUID): The only endpoint that the session can access, or null for all of the app's.
    """

    id: UUID
    url: str
    token: str
    expires_at: datetime.datetime
    scope: SessionScope
    webhook_id: None | UUID

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        url = self.url

        token = self.token

        expires_at = self.expires_at.isoformat()

        scope: str = self.scope

        webhook_id: None | str
        if isinstance(self.webhook_id, UUID):
            webhook_id = str(self.webhook_id)
        else:
            webhook_id = self.webhook_id

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "url": url,
                "token": token,
                "expiresAt": expires_at,
                "scope": scope,
                "webhookId": webhook_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        url = d.pop("url")

        token = d.pop("token")

        expires_at = datetime.datetime.fromisoformat(d.pop("expiresAt"))

        scope = check_session_scope(d.pop("scope"))

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

        created_portal_session = cls(
            id=id,
            url=url,
            token=token,
            expires_at=expires_at,
            scope=scope,
            webhook_id=webhook_id,
        )

        return created_portal_session
