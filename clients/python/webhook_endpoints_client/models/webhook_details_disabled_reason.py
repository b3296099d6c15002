from typing import Literal, cast

WebhookDetailsDisabledReason = Literal["FAILING", "GONE"]


def check_webhook_details_disabled_reason(value: str) -> WebhookDetailsDisabledReason:
    """Accepts any value, because a later version of the API may have others."""
    return cast(WebhookDetailsDisabledReason, value)
