from typing import Literal, cast

DeliveryDetailsReason = Literal[
    "ENDPOINT_DELETED", "ENDPOINT_INACTIVE", "PAYLOAD_DELETED", "PAYLOAD_EXPIRED"
]


def check_delivery_details_reason(value: str) -> DeliveryDetailsReason:
    """Accepts any value, because a later version of the API may have others."""
    return cast(DeliveryDetailsReason, value)
