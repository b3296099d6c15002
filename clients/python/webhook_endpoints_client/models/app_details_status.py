from typing import Literal, cast

AppDetailsStatus = Literal["ACTIVE", "DELETING"]


def check_app_details_status(value: str) -> AppDetailsStatus:
    """Accepts any value, because a later version of the API may have others."""
    return cast(AppDetailsStatus, value)
