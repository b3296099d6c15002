from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.new_batch import NewBatch
from ...models.published_batch import PublishedBatch


def _get_kwargs(
    app_id: str,
    *,
    body: NewBatch,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/events/batch".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> PublishedBatch:
    if response.status_code == 202:
        response_202 = PublishedBatch.from_dict(response.json()["data"])

        return response_202
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewBatch,
) -> PublishedBatch:
    """Publish up to 100 events

    A 202 has a row for each event, in the order of the request: either the event, which is
    queued, or its `error`, which is what publishing the event alone would have returned.
    Events with `UNAVAILABLE` or `RATE_LIMIT` can be sent again as they are, in another batch
    or alone; with an `idempotencyKey`, that cannot publish them twice. If none of the events
    could be queued although all of them are valid, the response is the error itself. Each
    event can be at most 256 KiB as JSON, the request body 5 MB (5,000,000 bytes). The header
    `Idempotency-Key` is rejected: each event has its own key.

    Args:
        app_id (str):
        body (NewBatch):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewBatch,
) -> PublishedBatch:
    """Publish up to 100 events

    A 202 has a row for each event, in the order of the request: either the event, which is
    queued, or its `error`, which is what publishing the event alone would have returned.
    Events with `UNAVAILABLE` or `RATE_LIMIT` can be sent again as they are, in another batch
    or alone; with an `idempotencyKey`, that cannot publish them twice. If none of the events
    could be queued although all of them are valid, the response is the error itself. Each
    event can be at most 256 KiB as JSON, the request body 5 MB (5,000,000 bytes). The header
    `Idempotency-Key` is rejected: each event has its own key.

    Args:
        app_id (str):
        body (NewBatch):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
