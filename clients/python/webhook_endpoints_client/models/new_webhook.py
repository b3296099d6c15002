from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="NewWebhook")


@_attrs_define
class NewWebhook:
    """
    Attributes:
        url (str): An absolute `https` URL with a host, of at most 2,048 bytes. Credentials, fragments, whitespace,
            control characters, backslashes, percent-encoded characters in the host, an empty port and port 0 are not
            allowed, even where a URL parser would drop or decode them. A literal private, local or reserved address is
            rejected. So is an IPv6 address, because deliveries go out over IPv4, a host that DNS or TLS cannot have, one in
            a domain that is never in DNS (`.alt`, `.invalid`, `.onion`), and, unless the operator opens private networks,
            one in a domain that only those have (`.home.arpa`, `.internal`, `.local`). Host names are looked up, and their
            addresses checked, for an attempt. A URL that is not ASCII is stored and returned in the form that is used for
            requests: the host in Punycode, the rest percent-encoded.
        events (list[str]): The event types and prefixes to subscribe to, at most 100 distinct ones. Duplicates are
            removed. If the deployment is strict about event types, each must match a type of the catalogue, except `*`.
        active (bool | Unset): Whether events are sent to this endpoint. Test pings are always sent. True if absent.
        rate_limit (int | None | Unset): How many deliveries a second the endpoint gets at most. The rest waits for its
            turn. Test pings do not count. Null for no limit.
    """

    url: str
    events: list[str]
    active: bool | Unset = UNSET
    rate_limit: int | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        url = self.url

        events = self.events

        active = self.active

        rate_limit: int | None | Unset
        if isinstance(self.rate_limit, Unset):
            rate_limit = UNSET
        else:
            rate_limit = self.rate_limit

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "url": url,
                "events": events,
            }
        )
        if active is not UNSET:
            field_dict["active"] = active
        if rate_limit is not UNSET:
            field_dict["rateLimit"] = rate_limit

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        url = d.pop("url")

        events = cast(list[str], d.pop("events"))

        active = d.pop("active", UNSET)

        def _parse_rate_limit(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        rate_limit = _parse_rate_limit(d.pop("rateLimit", UNSET))

        new_webhook = cls(
            url=url,
            events=events,
            active=active,
            rate_limit=rate_limit,
        )

        return new_webhook
