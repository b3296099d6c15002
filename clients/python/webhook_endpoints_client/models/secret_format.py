from typing import Literal, cast

SecretFormat = Literal["standard", "text"]


def check_secret_format(value: str) -> SecretFormat:
    """Accepts any value, because a later version of the API may have others."""
    return cast(SecretFormat, value)
