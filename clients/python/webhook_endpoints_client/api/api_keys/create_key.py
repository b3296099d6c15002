from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.created_api_key import CreatedApiKey
from ...models.new_api_key import NewApiKey


def _get_kwargs(
    app_id: str,
    *,
    body: NewApiKey,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/keys".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> CreatedApiKey:
    if response.status_code == 201:
        response_201 = CreatedApiKey.from_dict(response.json()["data"])

        return response_201
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewApiKey,
) -> CreatedApiKey:
    """Create an API key

    Creates a key of the app, which must exist. The response contains the key, which is not
    stored and never returned again. An app can have 100 keys. The request body can be at most
    64 KiB.

    Args:
        app_id (str):
        body (NewApiKey):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewApiKey,
) -> CreatedApiKey:
    """Create an API key

    Creates a key of the app, which must exist. The response contains the key, which is not
    stored and never returned again. An app can have 100 keys. The request body can be at most
    64 KiB.

    Args:
        app_id (str):
        body (NewApiKey):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
