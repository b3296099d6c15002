from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.api_key import ApiKey


def _get_kwargs(
    app_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/apps/{app_id}/keys".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> list[ApiKey]:
    if response.status_code == 200:
        response_200 = []
        _response_200 = response.json()["data"]
        for response_200_item_data in _response_200:
            response_200_item = ApiKey.from_dict(response_200_item_data)

            response_200.append(response_200_item)

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
) -> list[ApiKey]:
    """List the app's API keys

    Returns the app's keys that work, oldest first, without the keys themselves. A key that
    was created or revoked within the last second may be missing or still there.

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
) -> list[ApiKey]:
    """List the app's API keys

    Returns the app's keys that work, oldest first, without the keys themselves. A key that
    was created or revoked within the last second may be missing or still there.

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
