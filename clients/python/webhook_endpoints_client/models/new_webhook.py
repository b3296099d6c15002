from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..models.secret_format import SecretFormat, check_secret_format
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.given_filter_type_0 import GivenFilterType0
    from ..models.given_webhook_metadata_type_0 import GivenWebhookMetadataType0
    from ..models.own_headers_type_0 import OwnHeadersType0


T = TypeVar("T", bound="NewWebhook")


@_attrs_define
class NewWebhook:
    """
    Attributes:
        url (str): An absolute `https` URL with a host, of at most 2,048 bytes. Credentials, fragments, whitespace,
            control characters, backslashes, percent-encoded characters in the host, an empty port and port 0 are not
            allowed, even where a URL parser would drop or decode them. A literal private, local or reserved address is
            rejected. So is an IPv6 address, because deliveries go out over IPv4, a host that DNS or TLS cannot have, one in
            a domain that is never in DNS (`.alt`, `.invalid`, `.onion`), and, unless the operator allows private networks,
            one in a domain that only those have (`.home.arpa`, `.internal`, `.local`). Host names are looked up, and their
            addresses checked, for an attempt. A URL that is not ASCII is stored and returned in the form that is used for
            requests: the host in Punycode, the rest percent-encoded.
        events (list[str]): The event types and prefixes to subscribe to, at most 100 distinct ones. Duplicates are
            removed. If the deployment is strict about event types, each must match a type of the catalogue, except `*`.
        active (bool | Unset): Whether events are sent to this endpoint. Test pings are always sent. True if absent.
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
        secret (str | Unset): Your own signing secret, in the format of `secretFormat`. If absent, a random one is
            created.
        secret_format (SecretFormat | Unset): The format of `secret`, which must be present. `standard`: `whsec_`
            followed by the padded base64 of 24 to 64 bytes, which are the key. `text`: 16 to 128 visible ASCII characters,
            whose bytes are the key.
        headers (None | OwnHeadersType0 | Unset): Headers that requests to the endpoint have in addition to the
            service's own, such as `Authorization`. The values are secrets: only the names are shown again. At most 10, with
            values of at most 4,096 bytes in total. No two names may differ only in letter case, and none may be one of
            those that HTTP, the body or the signature needs: `connection`, `expect`, `host`, `http2-settings`, `keep-
            alive`, `proxy-*`, `te`, `trailer`, `transfer-encoding`, `upgrade`, `content-*`, `accept`, `accept-encoding`,
            `date`, `user-agent`, `webhook-*`, `cf-connecting-ip`, `fastly-client-ip`, `forwarded`, `true-client-ip`, `via`,
            `x-client-ip`, `x-cluster-client-ip`, `x-forwarded-*` and `x-real-ip`, also with underscores in place of
            hyphens. Null, like `{}`, for none.
    """

    url: str
    events: list[str]
    active: bool | Unset = UNSET
    rate_limit: int | None | Unset = UNSET
    description: None | str | Unset = UNSET
    metadata: GivenWebhookMetadataType0 | None | Unset = UNSET
    channels: list[str] | None | Unset = UNSET
    filter_: GivenFilterType0 | None | Unset = UNSET
    secret: str | Unset = UNSET
    secret_format: SecretFormat | Unset = UNSET
    headers: None | OwnHeadersType0 | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.given_filter_type_0 import GivenFilterType0  # noqa: PLC0415
        from ..models.given_webhook_metadata_type_0 import GivenWebhookMetadataType0  # noqa: PLC0415
        from ..models.own_headers_type_0 import OwnHeadersType0  # noqa: PLC0415

        url = self.url

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

        secret = self.secret

        secret_format: str | Unset = UNSET
        if not isinstance(self.secret_format, Unset):
            secret_format = self.secret_format

        headers: dict[str, Any] | None | Unset
        if isinstance(self.headers, Unset):
            headers = UNSET
        elif isinstance(self.headers, OwnHeadersType0):
            headers = self.headers.to_dict()
        else:
            headers = self.headers

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
        if description is not UNSET:
            field_dict["description"] = description
        if metadata is not UNSET:
            field_dict["metadata"] = metadata
        if channels is not UNSET:
            field_dict["channels"] = channels
        if filter_ is not UNSET:
            field_dict["filter"] = filter_
        if secret is not UNSET:
            field_dict["secret"] = secret
        if secret_format is not UNSET:
            field_dict["secretFormat"] = secret_format
        if headers is not UNSET:
            field_dict["headers"] = headers

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.given_filter_type_0 import GivenFilterType0  # noqa: PLC0415
        from ..models.given_webhook_metadata_type_0 import GivenWebhookMetadataType0  # noqa: PLC0415
        from ..models.own_headers_type_0 import OwnHeadersType0  # noqa: PLC0415

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

        secret = d.pop("secret", UNSET)

        _secret_format = d.pop("secretFormat", UNSET)
        secret_format: SecretFormat | Unset
        if isinstance(_secret_format, Unset):
            secret_format = UNSET
        else:
            secret_format = check_secret_format(_secret_format)

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

        new_webhook = cls(
            url=url,
            events=events,
            active=active,
            rate_limit=rate_limit,
            description=description,
            metadata=metadata,
            channels=channels,
            filter_=filter_,
            secret=secret,
            secret_format=secret_format,
            headers=headers,
        )

        return new_webhook
