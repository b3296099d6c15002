from typing import Literal, cast

DeliveryStatus = Literal["DELIVERED", "FAILED", "PENDING"]


def check_delivery_status(value: str) -> DeliveryStatus:
    """Accepts any value, because a later version of the API may have others."""
    return cast(DeliveryStatus, value)
