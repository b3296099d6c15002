from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.catalogue_type import CatalogueType
from ...models.given_catalogue_type import GivenCatalogueType


def _get_kwargs(
    name: str,
    *,
    body: GivenCatalogueType,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/event-types/{name}".format(
            name=quote(str(name), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> CatalogueType:
    if response.status_code == 200:
        response_200 = CatalogueType.from_dict(response.json()["data"])

        return response_200
    if response.status_code == 201:
        response_201 = CatalogueType.from_dict(response.json()["data"])

        return response_201
    raise ApiError(response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient,
    body: GivenCatalogueType,
) -> CatalogueType:
    """Add or change an event type

    Adds a type to the catalogue, or replaces its entry: omitted fields become null, and
    `deprecated` becomes false. `name`, `createdAt` and `updatedAt` are ignored, so the
    response of a get can be changed and sent back. The catalogue holds at most 1,000 types.
    The request body can be at most 64 KiB.

    Args:
        name (str): An event type: segments of letters, digits, `_` and `-`, separated by full
            stops.
        body (GivenCatalogueType):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        name=name,
        body=body,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    name: str,
    *,
    client: AuthenticatedClient,
    body: GivenCatalogueType,
) -> CatalogueType:
    """Add or change an event type

    Adds a type to the catalogue, or replaces its entry: omitted fields become null, and
    `deprecated` becomes false. `name`, `createdAt` and `updatedAt` are ignored, so the
    response of a get can be changed and sent back. The catalogue holds at most 1,000 types.
    The request body can be at most 64 KiB.

    Args:
        name (str): An event type: segments of letters, digits, `_` and `-`, separated by full
            stops.
        body (GivenCatalogueType):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        name=name,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
