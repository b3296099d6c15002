from typing import Literal, cast

AppStatus = Literal["ACTIVE", "DELETING"]


def check_app_status(value: str) -> AppStatus:
    """Accepts any value, because a later version of the API may have others."""
    return cast(AppStatus, value)
