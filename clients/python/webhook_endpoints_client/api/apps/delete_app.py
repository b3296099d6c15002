from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.app import App


def _get_kwargs(
    app_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/apps/{app_id}".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> App:
    if response.status_code == 202:
        response_202 = App.from_dict(response.json()["data"])

        return response_202
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
) -> App:
    """Delete an app

    Deletes an app with its keys, endpoints, signing secrets and history. Its keys stop
    working at once, except that the service may accept a key for as long as it caches keys,
    10 seconds by default. The rest is deleted in the background, within minutes unless the
    history is long. Until then, the app is `DELETING`, and its id cannot be used. The call
    can be repeated safely.

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
) -> App:
    """Delete an app

    Deletes an app with its keys, endpoints, signing secrets and history. Its keys stop
    working at once, except that the service may accept a key for as long as it caches keys,
    10 seconds by default. The rest is deleted in the background, within minutes unless the
    history is long. Until then, the app is `DELETING`, and its id cannot be used. The call
    can be repeated safely.

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
