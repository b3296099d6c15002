from typing import Literal, cast

AccessScope = Literal["all", "manage", "platform", "publish", "read"]


def check_access_scope(value: str) -> AccessScope:
    """Accepts any value, because a later version of the API may have others."""
    return cast(AccessScope, value)
