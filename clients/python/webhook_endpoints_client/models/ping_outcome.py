from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define

from ..models.delivery_status import DeliveryStatus, check_delivery_status

T = TypeVar("T", bound="PingOutcome")


@_attrs_define
class PingOutcome:
    """
    Attributes:
        success (bool): Whether the receiver responded with 2xx.
        status_code (int | None): The HTTP status of the response, or null.
        response_body (None | str): The first 1,000 characters of the response body, or null.
        error (None | str): Why there was no response, or where a redirect points, or null.
        delivery_id (UUID): The ping's id in the delivery history.
        status (DeliveryStatus): `PENDING`: another attempt will be made. `DELIVERED`: the receiver responded with 2xx.
            `FAILED`: no further attempt will be made.
    """

    success: bool
    status_code: int | None
    response_body: None | str
    error: None | str
    delivery_id: UUID
    status: DeliveryStatus

    def to_dict(self) -> dict[str, Any]:
        success = self.success

        status_code: int | None
        status_code = self.status_code

        response_body: None | str
        response_body = self.response_body

        error: None | str
        error = self.error

        delivery_id = str(self.delivery_id)

        status: str = self.status

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "success": success,
                "statusCode": status_code,
                "responseBody": response_body,
                "error": error,
                "deliveryId": delivery_id,
                "status": status,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        success = d.pop("success")

        def _parse_status_code(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        status_code = _parse_status_code(d.pop("statusCode"))

        def _parse_response_body(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        response_body = _parse_response_body(d.pop("responseBody"))

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(d.pop("error"))

        delivery_id = UUID(d.pop("deliveryId"))

        status = check_delivery_status(d.pop("status"))

        ping_outcome = cls(
            success=success,
            status_code=status_code,
            response_body=response_body,
            error=error,
            delivery_id=delivery_id,
            status=status,
        )

        return ping_outcome
