from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.accepted_recovery import AcceptedRecovery
from ...models.recovery import Recovery


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    body: Recovery,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/recover".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> AcceptedRecovery:
    if response.status_code == 202:
        response_202 = AcceptedRecovery.from_dict(response.json()["data"])

        return response_202
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: Recovery,
) -> AcceptedRecovery:
    """Resend failed deliveries

    Resends the failed deliveries that were created in a time range. Each call resends at most
    10,000 deliveries, in the background. Each one is sent as a new delivery, so a second call
    for the same range sends them again. The endpoint must be active, and can have one
    recovery or replay under way at a time: until that has ended, a call gets 409 with its id
    and when it was requested. The request body can be at most 64 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (Recovery):

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
    body: Recovery,
) -> AcceptedRecovery:
    """Resend failed deliveries

    Resends the failed deliveries that were created in a time range. Each call resends at most
    10,000 deliveries, in the background. Each one is sent as a new delivery, so a second call
    for the same range sends them again. The endpoint must be active, and can have one
    recovery or replay under way at a time: until that has ended, a call gets 409 with its id
    and when it was requested. The request body can be at most 64 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (Recovery):

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
