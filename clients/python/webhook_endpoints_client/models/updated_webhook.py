from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

T = TypeVar("T", bound="UpdatedWebhook")


@_attrs_define
class UpdatedWebhook:
    """
    Attributes:
        id (UUID): The endpoint's id.
        url (str): The URL that deliveries are posted to: exactly as it was given or, if that was not ASCII, percent-
            encoded and with the host in Punycode. `http` is possible only in local development.
        events (list[str]): The event types and prefixes that the endpoint subscribes to.
        active (bool): Whether events are sent to this endpoint. Test pings are always sent.
        updated_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
    """

    id: UUID
    url: str
    events: list[str]
    active: bool
    updated_at: datetime.datetime

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        url = self.url

        events = self.events

        active = self.active

        updated_at = self.updated_at.isoformat()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "url": url,
                "events": events,
                "active": active,
                "updatedAt": updated_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        url = d.pop("url")

        events = cast(list[str], d.pop("events"))

        active = d.pop("active")

        updated_at = datetime.datetime.fromisoformat(d.pop("updatedAt"))

        updated_webhook = cls(
            id=id,
            url=url,
            events=events,
            active=active,
            updated_at=updated_at,
        )

        return updated_webhook
