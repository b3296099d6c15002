from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError


def _get_kwargs(
    app_id: str,
    session_id: UUID,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/apps/{app_id}/portal-sessions/{session_id}".format(
            app_id=quote(str(app_id), safe=""),
            session_id=quote(str(session_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> None:
    if response.status_code == 204:
        return None
    raise ApiError(response)


def sync(
    app_id: str,
    session_id: UUID,
    *,
    client: AuthenticatedClient,
) -> None:
    """Revoke a portal session

    Ends a session before it expires. The service may accept its token for as long as it
    caches keys, 10 seconds by default. A session that was created within the last second may
    not be found yet.

    Args:
        app_id (str):
        session_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        session_id=session_id,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    session_id: UUID,
    *,
    client: AuthenticatedClient,
) -> None:
    """Revoke a portal session

    Ends a session before it expires. The service may accept its token for as long as it
    caches keys, 10 seconds by default. A session that was created within the last second may
    not be found yet.

    Args:
        app_id (str):
        session_id (UUID):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        session_id=session_id,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
