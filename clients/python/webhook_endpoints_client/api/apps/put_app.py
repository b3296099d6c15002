from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.app import App
from ...models.app_change import AppChange


def _get_kwargs(
    app_id: str,
    *,
    body: AppChange,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/apps/{app_id}".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> App:
    if response.status_code == 200:
        response_200 = App.from_dict(response.json()["data"])

        return response_200
    if response.status_code == 201:
        response_201 = App.from_dict(response.json()["data"])

        return response_201
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: AppChange,
) -> App:
    """Create or change an app

    Creates an app with this id, or changes it. The call can be repeated safely. Omitted
    fields keep their values; the other fields of an app are ignored, so the response of a get
    can be changed and sent back. The request body can be at most 64 KiB.

    Args:
        app_id (str):
        body (AppChange):

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
    body: AppChange,
) -> App:
    """Create or change an app

    Creates an app with this id, or changes it. The call can be repeated safely. Omitted
    fields keep their values; the other fields of an app are ignored, so the response of a get
    can be changed and sent back. The request body can be at most 64 KiB.

    Args:
        app_id (str):
        body (AppChange):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
