from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.updated_webhook import UpdatedWebhook
from ...models.webhook_change import WebhookChange


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    body: WebhookChange,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/apps/{app_id}/webhooks/{webhook_id}".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> UpdatedWebhook:
    if response.status_code == 200:
        response_200 = UpdatedWebhook.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: WebhookChange,
) -> UpdatedWebhook:
    """Update an endpoint

    Set at least one field that can be changed. Changes take effect from the next attempt. The
    request body can be at most 64 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (WebhookChange): Omitted fields keep their values. At least one field that can be
            changed is needed. `headers` replaces all of the endpoint's own headers. It must be set if
            the endpoint has any and the URL changes, so that nobody can send values elsewhere without
            knowing them. The other fields of an endpoint are ignored, so the response of a get can be
            changed and sent back.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        body=body,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: WebhookChange,
) -> UpdatedWebhook:
    """Update an endpoint

    Set at least one field that can be changed. Changes take effect from the next attempt. The
    request body can be at most 64 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (WebhookChange): Omitted fields keep their values. At least one field that can be
            changed is needed. `headers` replaces all of the endpoint's own headers. It must be set if
            the endpoint has any and the URL changes, so that nobody can send values elsewhere without
            knowing them. The other fields of an endpoint are ignored, so the response of a get can be
            changed and sent back.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
