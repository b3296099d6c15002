from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError


def _get_kwargs(
    app_id: str,
    event_id: UUID,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/apps/{app_id}/events/{event_id}".format(
            app_id=quote(str(app_id), safe=""),
            event_id=quote(str(event_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> None:
    if response.status_code == 204:
        return None
    raise ApiError(response)


def sync(
    app_id: str,
    event_id: UUID,
    *,
    client: AuthenticatedClient,
) -> None:
    """Delete the payload of an event

    Deletes the payload of an event and its receivers' responses. The record that it happened
    stays: its id, type and time, and the status of its deliveries. No attempt begins after
    the response, even if the event is still queued; pending deliveries end as `FAILED` with
    the reason `PAYLOAD_DELETED`. Its deliveries can't be resent or recovered. An attempt that
    is under way continues, and its response is deleted within minutes. The call can be
    repeated. An event that another service put on the queue can be deleted once it is fanned
    out.

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
) -> None:
    """Delete the payload of an event

    Deletes the payload of an event and its receivers' responses. The record that it happened
    stays: its id, type and time, and the status of its deliveries. No attempt begins after
    the response, even if the event is still queued; pending deliveries end as `FAILED` with
    the reason `PAYLOAD_DELETED`. Its deliveries can't be resent or recovered. An attempt that
    is under way continues, and its response is deleted within minutes. The call can be
    repeated. An event that another service put on the queue can be deleted once it is fanned
    out.

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
