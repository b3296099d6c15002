from typing import Literal, cast

SessionScope = Literal["manage", "read"]


def check_session_scope(value: str) -> SessionScope:
    """Accepts any value, because a later version of the API may have others."""
    return cast(SessionScope, value)
