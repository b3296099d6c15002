from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...errors import ApiError
from ...models.get_description_response_200 import GetDescriptionResponse200


def _get_kwargs() -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/openapi.json",
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> GetDescriptionResponse200:
    if response.status_code == 200:
        response_200 = GetDescriptionResponse200.from_dict(response.json())

        return response_200
    raise ApiError(response)


def sync(
    *,
    client: AuthenticatedClient | Client,
) -> GetDescriptionResponse200:
    """Get this document

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs()
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
) -> GetDescriptionResponse200:
    """Get this document

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs()
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
