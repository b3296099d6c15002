from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.event_details import EventDetails


def _get_kwargs(
    app_id: str,
    event_id: UUID,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/apps/{app_id}/events/{event_id}".format(
            app_id=quote(str(app_id), safe=""),
            event_id=quote(str(event_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> EventDetails:
    if response.status_code == 200:
        response_200 = EventDetails.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    event_id: UUID,
    *,
    client: AuthenticatedClient,
) -> EventDetails:
    """Get an event and its deliveries

    An event that no endpoint gets is not stored. For an id that publishing returned, the
    response is still a 200, in which `type` and `payload` are null: no endpoint gets the
    event, or it is still queued. (With an `Idempotency-Key`, the event may also have
    expired.) Any other id gets a 404.

    Args:
        app_id (str):
        event_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        event_id=event_id,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    event_id: UUID,
    *,
    client: AuthenticatedClient,
) -> EventDetails:
    """Get an event and its deliveries

    An event that no endpoint gets is not stored. For an id that publishing returned, the
    response is still a 200, in which `type` and `payload` are null: no endpoint gets the
    event, or it is still queued. (With an `Idempotency-Key`, the event may also have
    expired.) Any other id gets a 404.

    Args:
        app_id (str):
        event_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        event_id=event_id,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
