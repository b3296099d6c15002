from typing import Any

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.app_page import AppPage
from ...types import UNSET, Unset


def _get_kwargs(
    *,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["prefix"] = prefix

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/apps",
        "params": params,
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> AppPage:
    if response.status_code == 200:
        response_200 = AppPage.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    *,
    client: AuthenticatedClient,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> AppPage:
    """List the apps

    Returns the apps, ordered by id. An app that was created within the last second may be
    missing. Pages never skip or repeat an app.

    Args:
        prefix (str | Unset):
        limit (int | Unset):  Default: 25.
        cursor (str | Unset): An opaque position in the list of apps. It is valid only for the
            prefix it came from.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        limit=limit,
        cursor=cursor,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    *,
    client: AuthenticatedClient,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> AppPage:
    """List the apps

    Returns the apps, ordered by id. An app that was created within the last second may be
    missing. Pages never skip or repeat an app.

    Args:
        prefix (str | Unset):
        limit (int | Unset):  Default: 25.
        cursor (str | Unset): An opaque position in the list of apps. It is valid only for the
            prefix it came from.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        limit=limit,
        cursor=cursor,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
