from typing import Any

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.catalogue_type_page import CatalogueTypePage
from ...types import UNSET, Unset


def _get_kwargs(
    *,
    prefix: str | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["prefix"] = prefix

    params["group"] = group

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/event-types",
        "params": params,
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> CatalogueTypePage:
    if response.status_code == 200:
        response_200 = CatalogueTypePage.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    *,
    client: AuthenticatedClient,
    prefix: str | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> CatalogueTypePage:
    """List the event types

    Returns the types in the catalogue, ordered by name. The catalogue belongs to the platform
    and is the same for all apps; every valid key can read it. Pages never skip or repeat a
    type.

    Args:
        prefix (str | Unset):
        group (str | Unset): The heading that lists show a type under, without control characters.
        limit (int | Unset):  Default: 25.
        cursor (str | Unset): An opaque position in the list of event types. It is valid only for
            the prefix and the group it came from.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        group=group,
        limit=limit,
        cursor=cursor,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    *,
    client: AuthenticatedClient,
    prefix: str | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> CatalogueTypePage:
    """List the event types

    Returns the types in the catalogue, ordered by name. The catalogue belongs to the platform
    and is the same for all apps; every valid key can read it. Pages never skip or repeat a
    type.

    Args:
        prefix (str | Unset):
        group (str | Unset): The heading that lists show a type under, without control characters.
        limit (int | Unset):  Default: 25.
        cursor (str | Unset): An opaque position in the list of event types. It is valid only for
            the prefix and the group it came from.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        group=group,
        limit=limit,
        cursor=cursor,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
