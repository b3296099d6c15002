from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.app_details import AppDetails


def _get_kwargs(
    app_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/apps/{app_id}".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> AppDetails:
    if response.status_code == 200:
        response_200 = AppDetails.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
) -> AppDetails:
    """Get an app

    Returns an app with the number of its endpoints and of its API keys in use. A key that was
    created within the last second may not be counted.

    Args:
        app_id (str):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    *,
    client: AuthenticatedClient,
) -> AppDetails:
    """Get an app

    Returns an app with the number of its endpoints and of its API keys in use. A key that was
    created within the last second may not be counted.

    Args:
        app_id (str):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
