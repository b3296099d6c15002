from typing import Literal, cast

ListWebhooksView = Literal["full"]


def check_list_webhooks_view(value: str) -> ListWebhooksView:
    """Accepts any value, because a later version of the API may have others."""
    return cast(ListWebhooksView, value)
