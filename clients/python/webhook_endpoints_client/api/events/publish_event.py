from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.accepted_event import AcceptedEvent
from ...models.new_event import NewEvent
from ...types import UNSET, Unset


def _get_kwargs(
    app_id: str,
    *,
    body: NewEvent,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/events".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> AcceptedEvent:
    if response.status_code == 202:
        response_202 = AcceptedEvent.from_dict(response.json()["data"])

        return response_202
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewEvent,
    idempotency_key: str | Unset = UNSET,
) -> AcceptedEvent:
    """Publish an event

    A 202 means the event is queued. It will be sent to every active endpoint of the app that
    subscribes to its type, has one of its channels or no channels, and has a filter that
    matches its data or no filter. For inactive endpoints, a failed delivery is recorded,
    which a recovery sends. With `webhookId`, only that endpoint can get it. The request body
    can be at most 256 KiB.

    Args:
        app_id (str):
        idempotency_key (str | Unset):
        body (NewEvent):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
        idempotency_key=idempotency_key,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewEvent,
    idempotency_key: str | Unset = UNSET,
) -> AcceptedEvent:
    """Publish an event

    A 202 means the event is queued. It will be sent to every active endpoint of the app that
    subscribes to its type, has one of its channels or no channels, and has a filter that
    matches its data or no filter. For inactive endpoints, a failed delivery is recorded,
    which a recovery sends. With `webhookId`, only that endpoint can get it. The request body
    can be at most 256 KiB.

    Args:
        app_id (str):
        idempotency_key (str | Unset):
        body (NewEvent):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
        idempotency_key=idempotency_key,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
