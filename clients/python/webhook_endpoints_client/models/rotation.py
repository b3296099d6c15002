from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define

from ..models.secret_format import SecretFormat, check_secret_format
from ..types import UNSET, Unset

T = TypeVar("T", bound="Rotation")


@_attrs_define
class Rotation:
    """
    Attributes:
        overlap_seconds (int | None | Unset): How long attempts are signed with the previous secret as well. Null or
            absent means not at all. Default: 0.
        secret (str | Unset): Your own signing secret, in the format of `secretFormat`. If absent, a random one is
            created.
        secret_format (SecretFormat | Unset): The format of `secret`, which must be present. `standard`: `whsec_`
            followed by the padded base64 of 24 to 64 bytes, which are the key. `text`: 16 to 128 visible ASCII characters,
            whose bytes are the key.
    """

    overlap_seconds: int | None | Unset = 0
    secret: str | Unset = UNSET
    secret_format: SecretFormat | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        overlap_seconds: int | None | Unset
        if isinstance(self.overlap_seconds, Unset):
            overlap_seconds = UNSET
        else:
            overlap_seconds = self.overlap_seconds

        secret = self.secret

        secret_format: str | Unset = UNSET
        if not isinstance(self.secret_format, Unset):
            secret_format = self.secret_format

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if overlap_seconds is not UNSET:
            field_dict["overlapSeconds"] = overlap_seconds
        if secret is not UNSET:
            field_dict["secret"] = secret
        if secret_format is not UNSET:
            field_dict["secretFormat"] = secret_format

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_overlap_seconds(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        overlap_seconds = _parse_overlap_seconds(d.pop("overlapSeconds", UNSET))

        secret = d.pop("secret", UNSET)

        _secret_format = d.pop("secretFormat", UNSET)
        secret_format: SecretFormat | Unset
        if isinstance(_secret_format, Unset):
            secret_format = UNSET
        else:
            secret_format = check_secret_format(_secret_format)

        rotation = cls(
            overlap_seconds=overlap_seconds,
            secret=secret,
            secret_format=secret_format,
        )

        return rotation
