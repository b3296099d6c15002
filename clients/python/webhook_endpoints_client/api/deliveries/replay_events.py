from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.accepted_recovery import AcceptedRecovery
from ...models.replay import Replay


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    body: Replay,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/replay".format(
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
    body: Replay,
) -> AcceptedRecovery:
    """Send events that the endpoint never got

    Sends the endpoint the stored events that it would get if they were published now and of
    which it has no delivery: those from before it was created, or before its subscriptions
    were widened. Each call sends at most 10,000 events, the oldest first, in the background;
    a second call sends the next ones. The count is by event type: events that the endpoint's
    channels or filter exclude, or that were published to another endpoint, are counted but
    not sent. Deliveries have the id and `createdAt` that they would have had, so no event is
    sent twice, and they are listed at the event's time. Events are found through the
    deliveries of the app's other endpoints, so one whose endpoints were all deleted is not
    found. Events whose payload is not stored are left out. The endpoint must be active, and
    can have one replay or recovery under way at a time: until that has ended, a call gets 409
    with its id and when it was requested. The request body can be at most 64 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (Replay):

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
    body: Replay,
) -> AcceptedRecovery:
    """Send events that the endpoint never got

    Sends the endpoint the stored events that it would get if they were published now and of
    which it has no delivery: those from before it was created, or before its subscriptions
    were widened. Each call sends at most 10,000 events, the oldest first, in the background;
    a second call sends the next ones. The count is by event type: events that the endpoint's
    channels or filter exclude, or that were published to another endpoint, are counted but
    not sent. Deliveries have the id and `createdAt` that they would have had, so no event is
    sent twice, and they are listed at the event's time. Events are found through the
    deliveries of the app's other endpoints, so one whose endpoints were all deleted is not
    found. Events whose payload is not stored are left out. The endpoint must be active, and
    can have one replay or recovery under way at a time: until that has ended, a call gets 409
    with its id and when it was requested. The request body can be at most 64 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (Replay):

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
