from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.created_portal_session import CreatedPortalSession
from ...models.new_portal_session import NewPortalSession
from ...types import UNSET, Unset


def _get_kwargs(
    app_id: str,
    *,
    body: NewPortalSession | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/portal-sessions".format(
            app_id=quote(str(app_id), safe=""),
        ),
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> CreatedPortalSession:
    if response.status_code == 201:
        response_201 = CreatedPortalSession.from_dict(response.json()["data"])

        return response_201
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
    body: NewPortalSession | Unset = UNSET,
) -> CreatedPortalSession:
    """Create a portal session

    Creates a session for the browser of one of the app's users. The app must exist. `url`
    opens the customer portal with the session. The token also works as an API key of the app,
    in `x-api-key` or as a bearer token, until the session expires, is revoked, or its app is
    deleted. It is not stored and never returned again.

    With `webhookId`, the session can access only that endpoint: all others look like missing
    ones, the list has only that one, events are shown with only their delivery to it, and the
    session cannot create endpoints.

    The request body can be left out, and can be at most 64 KiB.

    Args:
        app_id (str):
        body (NewPortalSession | Unset):

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
    body: NewPortalSession | Unset = UNSET,
) -> CreatedPortalSession:
    """Create a portal session

    Creates a session for the browser of one of the app's users. The app must exist. `url`
    opens the customer portal with the session. The token also works as an API key of the app,
    in `x-api-key` or as a bearer token, until the session expires, is revoked, or its app is
    deleted. It is not stored and never returned again.

    With `webhookId`, the session can access only that endpoint: all others look like missing
    ones, the list has only that one, events are shown with only their delivery to it, and the
    session cannot create endpoints.

    The request body can be left out, and can be at most 64 KiB.

    Args:
        app_id (str):
        body (NewPortalSession | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
