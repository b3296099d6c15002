from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.session_scope import SessionScope, check_session_scope
from ..types import UNSET, Unset

T = TypeVar("T", bound="NewPortalSession")


@_attrs_define
class NewPortalSession:
    """
    Attributes:
        expires_in_seconds (int | None | Unset): How long the session lasts. Null or absent means an hour. Default:
            3600.
        scope (SessionScope | Unset): What a session allows: to `manage` endpoints and history, or to `read` everything.
        webhook_id (None | Unset | UUID): The only endpoint that the session can access. Null or absent means all of the
            app's.
    """

    expires_in_seconds: int | None | Unset = 3600
    scope: SessionScope | Unset = UNSET
    webhook_id: None | Unset | UUID = UNSET

    def to_dict(self) -> dict[str, Any]:
        expires_in_seconds: int | None | Unset
        if isinstance(self.expires_in_seconds, Unset):
            expires_in_seconds = UNSET
        else:
            expires_in_seconds = self.expires_in_seconds

        scope: str | Unset = UNSET
        if not isinstance(self.scope, Unset):
            scope = self.scope

        webhook_id: None | str | Unset
        if isinstance(self.webhook_id, Unset):
            webhook_id = UNSET
        elif isinstance(self.webhook_id, UUID):
            webhook_id = str(self.webhook_id)
        else:
            webhook_id = self.webhook_id

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if expires_in_seconds is not UNSET:
            field_dict["expiresInSeconds"] = expires_in_seconds
        if scope is not UNSET:
            field_dict["scope"] = scope
        if webhook_id is not UNSET:
            field_dict["webhookId"] = webhook_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_expires_in_seconds(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        expires_in_seconds = _parse_expires_in_seconds(d.pop("expiresInSeconds", UNSET))

        _scope = d.pop("scope", UNSET)
        scope: SessionScope | Unset
        if isinstance(_scope, Unset):
            scope = UNSET
        else:
            scope = check_session_scope(_scope)

        def _parse_webhook_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                webhook_id_type_0 = UUID(data)

                return webhook_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        webhook_id = _parse_webhook_id(d.pop("webhookId", UNSET))

        new_portal_session = cls(
            expires_in_seconds=expires_in_seconds,
            scope=scope,
            webhook_id=webhook_id,
        )

        return new_portal_session
