from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.delivery import Delivery


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    delivery_id: UUID,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/resend".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
            delivery_id=quote(str(delivery_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> Delivery:
    if response.status_code == 202:
        response_202 = Delivery.from_dict(response.json()["data"])

        return response_202
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    delivery_id: UUID,
    *,
    client: AuthenticatedClient,
) -> Delivery:
    """Resend a delivery

    Creates a new delivery of the same event, with the same `webhook-id`. The endpoint must be
    active. A delivery whose payload was deleted can't be resent.

    Args:
        app_id (str):
        webhook_id (UUID):
        delivery_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        delivery_id=delivery_id,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    webhook_id: UUID,
    delivery_id: UUID,
    *,
    client: AuthenticatedClient,
) -> Delivery:
    """Resend a delivery

    Creates a new delivery of the same event, with the same `webhook-id`. The endpoint must be
    active. A delivery whose payload was deleted can't be resent.

    Args:
        app_id (str):
        webhook_id (UUID):
        delivery_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        delivery_id=delivery_id,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
