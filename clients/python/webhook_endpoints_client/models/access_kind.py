from typing import Literal, cast

AccessKind = Literal["key", "session"]


def check_access_kind(value: str) -> AccessKind:
    """Accepts any value, because a later version of the API may have others."""
    return cast(AccessKind, value)
