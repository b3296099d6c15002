from typing import Any

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.access import Access


def _get_kwargs() -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/key",
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> Access:
    if response.status_code == 200:
        response_200 = Access.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    *,
    client: AuthenticatedClient,
) -> Access:
    """Get the caller's own key

    Returns what the API key or portal session of this request allows. Works with any valid
    key or session.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs()
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    *,
    client: AuthenticatedClient,
) -> Access:
    """Get the caller's own key

    Returns what the API key or portal session of this request allows. Works with any valid
    key or session.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs()
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
