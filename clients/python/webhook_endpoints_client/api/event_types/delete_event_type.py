from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError


def _get_kwargs(
    name: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/event-types/{name}".format(
            name=quote(str(name), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> None:
    if response.status_code == 204:
        return None
    raise ApiError(response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient,
) -> None:
    """Delete an event type

    Deletes a type from the catalogue. Subscriptions to it, and events of it, stay as they
    are. If the deployment is strict about event types, the type may still be published and
    subscribed to for a minute.

    Args:
        name (str): An event type: segments of letters, digits, `_` and `-`, separated by full
            stops.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        name=name,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    name: str,
    *,
    client: AuthenticatedClient,
) -> None:
    """Delete an event type

    Deletes a type from the catalogue. Subscriptions to it, and events of it, stay as they
    are. If the deployment is strict about event types, the type may still be published and
    subscribed to for a minute.

    Args:
        name (str): An event type: segments of letters, digits, `_` and `-`, separated by full
            stops.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        name=name,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
