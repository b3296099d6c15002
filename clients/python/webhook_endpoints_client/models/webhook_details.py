from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.webhook_details_disabled_reason import (
    WebhookDetailsDisabledReason,
    check_webhook_details_disabled_reason,
)

T = TypeVar("T", bound="WebhookDetails")


@_attrs_define
class WebhookDetails:
    """
    Attributes:
        id (UUID): The endpoint's id.
        url (str): The URL that deliveries are posted to: exactly as it was given, or if that was not ASCII, percent-
            encoded and with the host in Punycode. `http` is possible only in local development.
        events (list[str]): The event types and prefixes that the endpoint subscribes to.
        active (bool): Whether events are sent to this endpoint. Test pings are always sent.
        created_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        updated_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        rate_limit (int | None): How many deliveries a second the endpoint gets at most. The rest waits for its turn.
            Test pings do not count. Null for no limit.
        inactive_since (datetime.datetime | None): Since when the endpoint has been inactive, or null.
        disabled_reason (None | WebhookDetailsDisabledReason): Why the service disabled the endpoint, or null. `GONE`:
            the receiver responded with 410 Gone. `FAILING`: it kept failing for too long (5 days by default).
        disabled_at (datetime.datetime | None): When the service disabled the endpoint, or null.
        slow_since (datetime.datetime | None): When an attempt took so long that the service noted the endpoint as slow
            (3 s, unless the operator chose another time), or null. An answer within half that time clears it. Deliveries to
            a slow endpoint take a queue of their own, so they may arrive later.
        failing_since (datetime.datetime | None): When the first failure since the last success began, or null.
        paused_at (datetime.datetime | None): When the service paused the endpoint because it kept failing, or null.
            While it is paused, deliveries wait, and one of them at a time goes out as a probe. The first success, of a test
            ping too, ends the pause; so does changing the URL or setting `active` to true.
        next_probe_at (datetime.datetime | None): When the next probe of a paused endpoint is due, or null.
        previous_secret_expires_at (datetime.datetime | None): Until when attempts are signed with the previous secret
            as well, or null.
        header_names (list[str]): The names of the endpoint's own headers. Their values are not shown.
    """

    id: UUID
    url: str
    events: list[str]
    active: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime
    rate_limit: int | None
    inactive_since: datetime.datetime | None
    disabled_reason: None | WebhookDetailsDisabledReason
    disabled_at: datetime.datetime | None
    slow_since: datetime.datetime | None
    failing_since: datetime.datetime | None
    paused_at: datetime.datetime | None
    next_probe_at: datetime.datetime | None
    previous_secret_expires_at: datetime.datetime | None
    header_names: list[str]

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        url = self.url

        events = self.events

        active = self.active

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        rate_limit: int | None
        rate_limit = self.rate_limit

        inactive_since: None | str
        if isinstance(self.inactive_since, datetime.datetime):
            inactive_since = self.inactive_since.isoformat()
        else:
            inactive_since = self.inactive_since

        disabled_reason: None | str
        if isinstance(self.disabled_reason, str):
            disabled_reason = self.disabled_reason
        else:
            disabled_reason = self.disabled_reason

        disabled_at: None | str
        if isinstance(self.disabled_at, datetime.datetime):
            disabled_at = self.disabled_at.isoformat()
        else:
            disabled_at = self.disabled_at

        slow_since: None | str
        if isinstance(self.slow_since, datetime.datetime):
            slow_since = self.slow_since.isoformat()
        else:
            slow_since = self.slow_since

        failing_since: None | str
        if isinstance(self.failing_since, datetime.datetime):
            failing_since = self.failing_since.isoformat()
        else:
            failing_since = self.failing_since

        paused_at: None | str
        if isinstance(self.paused_at, datetime.datetime):
            paused_at = self.paused_at.isoformat()
        else:
            paused_at = self.paused_at

        next_probe_at: None | str
        if isinstance(self.next_probe_at, datetime.datetime):
            next_probe_at = self.next_probe_at.isoformat()
        else:
            next_probe_at = self.next_probe_at

        previous_secret_expires_at: None | str
        if isinstance(self.previous_secret_expires_at, datetime.datetime):
            previous_secret_expires_at = self.previous_secret_expires_at.isoformat()
        else:
            previous_secret_expires_at = self.previous_secret_expires_at

        header_names = self.header_names

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "url": url,
                "events": events,
                "active": active,
                "createdAt": created_at,
                "updatedAt": updated_at,
                "rateLimit": rate_limit,
                "inactiveSince": inactive_since,
                "disabledReason": disabled_reason,
                "disabledAt": disabled_at,
                "slowSince": slow_since,
                "failingSince": failing_since,
                "pausedAt": paused_at,
                "nextProbeAt": next_probe_at,
                "previousSecretExpiresAt": previous_secret_expires_at,
                "headerNames": header_names,
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

        created_at = datetime.datetime.fromisoformat(d.pop("createdAt"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updatedAt"))

        def _parse_rate_limit(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        rate_limit = _parse_rate_limit(d.pop("rateLimit"))

        def _parse_inactive_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                inactive_since_type_0 = datetime.datetime.fromisoformat(data)

                return inactive_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        inactive_since = _parse_inactive_since(d.pop("inactiveSince"))

        def _parse_disabled_reason(data: object) -> None | WebhookDetailsDisabledReason:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                disabled_reason_disabled_reason = check_webhook_details_disabled_reason(data)

                return disabled_reason_disabled_reason
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | WebhookDetailsDisabledReason, data)

        disabled_reason = _parse_disabled_reason(d.pop("disabledReason"))

        def _parse_disabled_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                disabled_at_type_0 = datetime.datetime.fromisoformat(data)

                return disabled_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        disabled_at = _parse_disabled_at(d.pop("disabledAt"))

        def _parse_slow_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                slow_since_type_0 = datetime.datetime.fromisoformat(data)

                return slow_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        slow_since = _parse_slow_since(d.pop("slowSince"))

        def _parse_failing_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                failing_since_type_0 = datetime.datetime.fromisoformat(data)

                return failing_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        failing_since = _parse_failing_since(d.pop("failingSince"))

        def _parse_paused_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                paused_at_type_0 = datetime.datetime.fromisoformat(data)

                return paused_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        paused_at = _parse_paused_at(d.pop("pausedAt"))

        def _parse_next_probe_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                next_probe_at_type_0 = datetime.datetime.fromisoformat(data)

                return next_probe_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        next_probe_at = _parse_next_probe_at(d.pop("nextProbeAt"))

        def _parse_previous_secret_expires_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                previous_secret_expires_at_type_0 = datetime.datetime.fromisoformat(data)

                return previous_secret_expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        previous_secret_expires_at = _parse_previous_secret_expires_at(
            d.pop("previousSecretExpiresAt")
        )

        header_names = cast(list[str], d.pop("headerNames"))

        webhook_details = cls(
            id=id,
            url=url,
            events=events,
            active=active,
            created_at=created_at,
            updated_at=updated_at,
            rate_limit=rate_limit,
            inactive_since=inactive_since,
            disabled_reason=disabled_reason,
            disabled_at=disabled_at,
            slow_since=slow_since,
            failing_since=failing_since,
            paused_at=paused_at,
            next_probe_at=next_probe_at,
            previous_secret_expires_at=previous_secret_expires_at,
            header_names=header_names,
        )

        return webhook_details
