from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.catalogue_type import CatalogueType


def _get_kwargs(
    name: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/event-types/{name}".format(
            name=quote(str(name), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> CatalogueType:
    if response.status_code == 200:
        response_200 = CatalogueType.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient,
) -> CatalogueType:
    """Get an event type

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
) -> CatalogueType:
    """Get an event type

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
