from typing import Literal, cast

RejectedEventErrorType1Code = Literal[
    "INTERNAL_ERROR", "PAYLOAD_TOO_LARGE", "RATE_LIMIT", "UNAVAILABLE"
]


def check_rejected_event_error_type_1_code(value: str) -> RejectedEventErrorType1Code:
    """Accepts any value, because a later version of the API may have others."""
    return cast(RejectedEventErrorType1Code, value)
