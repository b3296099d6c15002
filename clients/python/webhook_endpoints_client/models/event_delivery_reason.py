from typing import Literal, cast

EventDeliveryReason = Literal[
    "ENDPOINT_DELETED", "ENDPOINT_INACTIVE", "PAYLOAD_DELETED", "PAYLOAD_EXPIRED"
]


def check_event_delivery_reason(value: str) -> EventDeliveryReason:
    """Accepts any value, because a later version of the API may have others."""
    return cast(EventDeliveryReason, value)
