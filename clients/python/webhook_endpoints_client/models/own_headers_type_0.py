from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="OwnHeadersType0")


@_attrs_define
class OwnHeadersType0:
    """Headers that requests to the endpoint have in addition to the service's own, such as `Authorization`. The values are
    secrets: only the names are shown again. At most 10, with values of at most 4,096 bytes in total. No two names may
    differ only in letter case, and none may be one of those that HTTP, the body or the signature needs: `connection`,
    `expect`, `host`, `http2-settings`, `keep-alive`, `proxy-*`, `te`, `trailer`, `transfer-encoding`, `upgrade`,
    `content-*`, `accept`, `accept-encoding`, `date`, `user-agent`, `webhook-*`, `cf-connecting-ip`, `fastly-client-ip`,
    `forwarded`, `true-client-ip`, `via`, `x-client-ip`, `x-cluster-client-ip`, `x-forwarded-*` and `x-real-ip`, also
    with underscores in place of hyphens. Null, like `{}`, for none.

    """

    additional_properties: dict[str, str] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        own_headers_type_0 = cls()

        own_headers_type_0.additional_properties = d
        return own_headers_type_0

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> str:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: str) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
