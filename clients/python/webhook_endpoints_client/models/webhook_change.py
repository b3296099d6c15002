from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.given_filter_type_0 import GivenFilterType0
    from ..models.given_webhook_metadata_type_0 import GivenWebhookMetadataType0
    from ..models.own_headers_type_0 import OwnHeadersType0


T = TypeVar("T", bound="WebhookChange")


@_attrs_define
class WebhookChange:
    """Omitted fields keep their values. At least one field that can be changed is needed. `headers` replaces all of the
    endpoint's own headers. It must be set if the endpoint has any and the URL changes, so that nobody can send values
    elsewhere without knowing them. The other fields of an endpoint are ignored, so the response of a get can be changed
    and sent back.

        Attributes:
            url (str | Unset): An absolute `https` URL with a host, of at most 2,048 bytes. Credentials, fragments,
                whitespace, control characters, backslashes, percent-encoded characters in the host, an empty port and port 0
                are not allowed, even where a URL parser would drop or decode them. A literal private, local or reserved address
                is rejected. So is an IPv6 address, because deliveries go out over IPv4, a host that DNS or TLS cannot have, one
                in a domain that is never in DNS (`.alt`, `.invalid`, `.onion`), and, unless the operator allows private
                networks, one in a domain that only those have (`.home.arpa`, `.internal`, `.local`). Host names are looked up,
                and their addresses checked, for an attempt. A URL that is not ASCII is stored and returned in the form that is
                used for requests: the host in Punycode, the rest percent-encoded.
            events (list[str] | Unset): The event types and prefixes to subscribe to, at most 100 distinct ones. Duplicates
                are removed. If the deployment is strict about event types, each must match a type of the catalogue, except `*`.
            active (bool | Unset): Whether events are sent to this endpoint. Test pings are always sent. Setting it to true
                clears `disabledReason` and `disabledAt`.
            rate_limit (int | None | Unset): The endpoint's maximum number of deliveries per second. Others wait for their
                turn. Test pings do not count. Null for no limit.
            description (None | str | Unset): What the endpoint is for, for people. Line breaks and tabs are allowed, other
                control characters are not. Null for none.
            metadata (GivenWebhookMetadataType0 | None | Unset): Names and values for the platform's own use, together at
                most 2 KiB. It replaces all metadata. Null is the same as an empty object.
            channels (list[str] | None | Unset): The channels whose events the endpoint gets, at most 10 distinct ones: it
                gets events that have at least one of them. Duplicates are removed. Null for the events of all channels, and
                those of none.
            filter_ (GivenFilterType0 | None | Unset): What an event's data must match for the endpoint to get the event, in
                the syntax of Amazon EventBridge's event patterns: each field has a list of alternatives, which are values or
                the operators `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists` and
                `cidr`; `$or` has alternatives for whole objects. All fields must match. At most 4,096 bytes, nested at most 20
                deep. Null for no filter. Errors name the place in the filter, such as `filter.order.total[0].numeric`.
            headers (None | OwnHeadersType0 | Unset): Headers that requests to the endpoint have in addition to the
                service's own, such as `Authorization`. The values are secrets: only the names are shown again. At most 10, with
                values of at most 4,096 bytes in total. No two names may differ only in letter case, and none may be one of
                those that HTTP, the body or the signature needs: `connection`, `expect`, `host`, `http2-settings`, `keep-
                alive`, `proxy-*`, `te`, `trailer`, `transfer-encoding`, `upgrade`, `content-*`, `accept`, `accept-encoding`,
                `date`, `user-agent`, `webhook-*`, `cf-connecting-ip`, `fastly-client-ip`, `forwarded`, `true-client-ip`, `via`,
                `x-client-ip`, `x-cluster-client-ip`, `x-forwarded-*` and `x-real-ip`, also with underscores in place of
                hyphens. Null, like `{}`, for none.
            id (Any | Unset): Ignored.
            created_at (Any | Unset): Ignored.
            updated_at (Any | Unset): Ignored.
            inactive_since (Any | Unset): Ignored.
            disabled_reason (Any | Unset): Ignored.
            disabled_at (Any | Unset): Ignored.
            slow_since (Any | Unset): Ignored.
            failing_since (Any | Unset): Ignored.
            paused_at (Any | Unset): Ignored.
            next_probe_at (Any | Unset): Ignored.
            previous_secret_expires_at (Any | Unset): Ignored.
            header_names (Any | Unset): Ignored.
    """

    url: str | Unset = UNSET
    events: list[str] | Unset = UNSET
    active: bool | Unset = UNSET
    rate_limit: int | None | Unset = UNSET
    description: None | str | Unset = UNSET
    metadata: GivenWebhookMetadataType0 | None | Unset = UNSET
    channels: list[str] | None | Unset = UNSET
    filter_: GivenFilterType0 | None | Unset = UNSET
    headers: None | OwnHeadersType0 | Unset = UNSET
    id: Any | Unset = UNSET
    created_at: Any | Unset = UNSET
    updated_at: Any | Unset = UNSET
    inactive_since: Any | Unset = UNSET
    disabled_reason: Any | Unset = UNSET
    disabled_at: Any | Unset = UNSET
    slow_since: Any | Unset = UNSET
    failing_since: Any | Unset = UNSET
    paused_at: Any | Unset = UNSET
    next_probe_at: Any | Unset = UNSET
    previous_secret_expires_at: Any | Unset = UNSET
    header_names: Any | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.given_filter_type_0 import GivenFilterType0  # noqa: PLC0415
        from ..models.given_webhook_metadata_type_0 import GivenWebhookMetadataType0  # noqa: PLC0415
        from ..models.own_headers_type_0 import OwnHeadersType0  # noqa: PLC0415

        url = self.url

        events: list[str] | Unset = UNSET
        if not isinstance(self.events, Unset):
            events = self.events

        active = self.active

        rate_limit: int | None | Unset
        if isinstance(self.rate_limit, Unset):
            rate_limit = UNSET
        else:
            rate_limit = self.rate_limit

        description: None | str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description

        metadata: dict[str, Any] | None | Unset
        if isinstance(self.metadata, Unset):
            metadata = UNSET
        elif isinstance(self.metadata, GivenWebhookMetadataType0):
            metadata = self.metadata.to_dict()
        else:
            metadata = self.metadata

        channels: list[str] | None | Unset
        if isinstance(self.channels, Unset):
            channels = UNSET
        elif isinstance(self.channels, list):
            channels = self.channels

        else:
            channels = self.channels

        filter_: dict[str, Any] | None | Unset
        if isinstance(self.filter_, Unset):
            filter_ = UNSET
        elif isinstance(self.filter_, GivenFilterType0):
            filter_ = self.filter_.to_dict()
        else:
            filter_ = self.filter_

        headers: dict[str, Any] | None | Unset
        if isinstance(self.headers, Unset):
            headers = UNSET
        elif isinstance(self.headers, OwnHeadersType0):
            headers = self.headers.to_dict()
        else:
            headers = self.headers

        id = self.id

        created_at = self.created_at

        updated_at = self.updated_at

        inactive_since = self.inactive_since

        disabled_reason = self.disabled_reason

        disabled_at = self.disabled_at

        slow_since = self.slow_since

        failing_since = self.failing_since

        paused_at = self.paused_at

        next_probe_at = self.next_probe_at

        previous_secret_expires_at = self.previous_secret_expires_at

        header_names = self.header_names

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if url is not UNSET:
            field_dict["url"] = url
        if events is not UNSET:
            field_dict["events"] = events
        if active is not UNSET:
            field_dict["active"] = active
        if rate_limit is not UNSET:
            field_dict["rateLimit"] = rate_limit
        if description is not UNSET:
            field_dict["description"] = description
        if metadata is not UNSET:
            field_dict["metadata"] = metadata
        if channels is not UNSET:
            field_dict["channels"] = channels
        if filter_ is not UNSET:
            field_dict["filter"] = filter_
        if headers is not UNSET:
            field_dict["headers"] = headers
        if id is not UNSET:
            field_dict["id"] = id
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at
        if updated_at is not UNSET:
            field_dict["updatedAt"] = updated_at
        if inactive_since is not UNSET:
            field_dict["inactiveSince"] = inactive_since
        if disabled_reason is not UNSET:
            field_dict["disabledReason"] = disabled_reason
        if disabled_at is not UNSET:
            field_dict["disabledAt"] = disabled_at
        if slow_since is not UNSET:
            field_dict["slowSince"] = slow_since
        if failing_since is not UNSET:
            field_dict["failingSince"] = failing_since
        if paused_at is not UNSET:
            field_dict["pausedAt"] = paused_at
        if next_probe_at is not UNSET:
            field_dict["nextProbeAt"] = next_probe_at
        if previous_secret_expires_at is not UNSET:
            field_dict["previousSecretExpiresAt"] = previous_secret_expires_at
        if header_names is not UNSET:
            field_dict["headerNames"] = header_names

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.given_filter_type_0 import GivenFilterType0  # noqa: PLC0415
        from ..models.given_webhook_metadata_type_0 import GivenWebhookMetadataType0  # noqa: PLC0415
        from ..models.own_headers_type_0 import OwnHeadersType0  # noqa: PLC0415

        d = dict(src_dict)
        url = d.pop("url", UNSET)

        events = cast(list[str], d.pop("events", UNSET))

        active = d.pop("active", UNSET)

        def _parse_rate_limit(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        rate_limit = _parse_rate_limit(d.pop("rateLimit", UNSET))

        def _parse_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        description = _parse_description(d.pop("description", UNSET))

        def _parse_metadata(data: object) -> GivenWebhookMetadataType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_given_webhook_metadata_type_0 = (
                    GivenWebhookMetadataType0.from_dict(data)
                )

                return componentsschemas_given_webhook_metadata_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(GivenWebhookMetadataType0 | None | Unset, data)

        metadata = _parse_metadata(d.pop("metadata", UNSET))

        def _parse_channels(data: object) -> list[str] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                componentsschemas_given_channels_type_0 = cast(list[str], data)

                return componentsschemas_given_channels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None | Unset, data)

        channels = _parse_channels(d.pop("channels", UNSET))

        def _parse_filter_(data: object) -> GivenFilterType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_given_filter_type_0 = GivenFilterType0.from_dict(data)

                return componentsschemas_given_filter_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(GivenFilterType0 | None | Unset, data)

        filter_ = _parse_filter_(d.pop("filter", UNSET))

        def _parse_headers(data: object) -> None | OwnHeadersType0 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_own_headers_type_0 = OwnHeadersType0.from_dict(data)

                return componentsschemas_own_headers_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | OwnHeadersType0 | Unset, data)

        headers = _parse_headers(d.pop("headers", UNSET))

        id = d.pop("id", UNSET)

        created_at = d.pop("createdAt", UNSET)

        updated_at = d.pop("updatedAt", UNSET)

        inactive_since = d.pop("inactiveSince", UNSET)

        disabled_reason = d.pop("disabledReason", UNSET)

        disabled_at = d.pop("disabledAt", UNSET)

        slow_since = d.pop("slowSince", UNSET)

        failing_since = d.pop("failingSince", UNSET)

        paused_at = d.pop("pausedAt", UNSET)

        next_probe_at = d.pop("nextProbeAt", UNSET)

        previous_secret_expires_at = d.pop("previousSecretExpiresAt", UNSET)

        header_names = d.pop("headerNames", UNSET)

        webhook_change = cls(
            url=url,
            events=events,
            active=active,
            rate_limit=rate_limit,
            description=description,
            metadata=metadata,
            channels=channels,
            filter_=filter_,
            headers=headers,
            id=id,
            created_at=created_at,
            updated_at=updated_at,
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

        return webhook_change
