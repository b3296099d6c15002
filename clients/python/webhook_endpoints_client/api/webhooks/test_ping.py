from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.new_ping import NewPing
from ...models.ping_outcome import PingOutcome
from ...types import UNSET, Unset


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    body: NewPing | Unset = UNSET,
    prefer: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(prefer, Unset):
        headers["Prefer"] = prefer

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/test-ping".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> PingOutcome:
    if response.status_code == 200:
        response_200 = PingOutcome.from_dict(response.json()["data"])

        return response_200
    if response.status_code == 202:
        response_202 = PingOutcome.from_dict(response.json()["data"])

        return response_202
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: NewPing | Unset = UNSET,
    prefer: str | Unset = UNSET,
) -> PingOutcome:
    """Send a test ping

    Sends a `test.ping` event to the endpoint, in a single attempt, and waits for the outcome.
    With a `type` in the body, it sends a ping that looks like an event of that type instead,
    with the type's example as its data and the header `webhook-test: true`. Inactive
    endpoints receive test pings too, whatever they subscribe to. If the receiver can't be
    reached, the call still succeeds and reports the failure in `data`. An endpoint can have
    one test ping in flight at a time, and an app can send 30 a minute.

    Args:
        app_id (str):
        webhook_id (UUID):
        prefer (str | Unset):
        body (NewPing | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        body=body,
        prefer=prefer,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: NewPing | Unset = UNSET,
    prefer: str | Unset = UNSET,
) -> PingOutcome:
    """Send a test ping

    Sends a `test.ping` event to the endpoint, in a single attempt, and waits for the outcome.
    With a `type` in the body, it sends a ping that looks like an event of that type instead,
    with the type's example as its data and the header `webhook-test: true`. Inactive
    endpoints receive test pings too, whatever they subscribe to. If the receiver can't be
    reached, the call still succeeds and reports the failure in `data`. An endpoint can have
    one test ping in flight at a time, and an app can send 30 a minute.

    Args:
        app_id (str):
        webhook_id (UUID):
        prefer (str | Unset):
        body (NewPing | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        body=body,
        prefer=prefer,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
