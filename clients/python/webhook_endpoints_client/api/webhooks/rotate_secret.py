from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.rotated_secret import RotatedSecret
from ...models.rotation import Rotation
from ...types import UNSET, Unset


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    body: Rotation | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/rotate-secret".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> RotatedSecret:
    if response.status_code == 200:
        response_200 = RotatedSecret.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: Rotation | Unset = UNSET,
) -> RotatedSecret:
    """Rotate an endpoint's secret

    By default, replaces the secret immediately: no attempt that starts after this response is
    signed with the old secret. With `overlapSeconds`, attempts are signed with both secrets
    for that long, the new one first, so that receivers can change over in the meantime.
    Another rotation ends the overlap, and so does deleting the previous secret. An endpoint's
    secret can be rotated every 10 seconds, and 50 times in 24 hours. If the secret was
    deleted in Secrets Manager, a rotation restores it.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (Rotation | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        body=body,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: Rotation | Unset = UNSET,
) -> RotatedSecret:
    """Rotate an endpoint's secret

    By default, replaces the secret immediately: no attempt that starts after this response is
    signed with the old secret. With `overlapSeconds`, attempts are signed with both secrets
    for that long, the new one first, so that receivers can change over in the meantime.
    Another rotation ends the overlap, and so does deleting the previous secret. An endpoint's
    secret can be rotated every 10 seconds, and 50 times in 24 hours. If the secret was
    deleted in Secrets Manager, a rotation restores it.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (Rotation | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        body=body,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
