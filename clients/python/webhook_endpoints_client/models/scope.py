from typing import Literal, cast

Scope = Literal["all", "manage", "publish", "read"]


def check_scope(value: str) -> Scope:
    """Accepts any value, because a later version of the API may have others."""
    return cast(Scope, value)
