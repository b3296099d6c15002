from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/previous-secret".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> None:
    if response.status_code == 204:
        return None
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
) -> None:
    """End a rotation's overlap

    No attempt that starts after this response is signed with the previous secret. Does
    nothing if there is none.

    Args:
        app_id (str):
        webhook_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
) -> None:
    """End a rotation's overlap

    No attempt that starts after this response is signed with the previous secret. Does
    nothing if there is none.

    Args:
        app_id (str):
        webhook_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
