import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.delivery_page import DeliveryPage
from ...models.delivery_status import DeliveryStatus
from ...types import UNSET, Unset


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    status: DeliveryStatus | Unset = UNSET,
    event: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status

    params["status"] = json_status

    params["event"] = event

    json_since: str | Unset = UNSET
    if not isinstance(since, Unset):
        json_since = since.isoformat()
    params["since"] = json_since

    json_until: str | Unset = UNSET
    if not isinstance(until, Unset):
        json_until = until.isoformat()
    params["until"] = json_until

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/deliveries".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> DeliveryPage:
    if response.status_code == 200:
        response_200 = DeliveryPage.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    status: DeliveryStatus | Unset = UNSET,
    event: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> DeliveryPage:
    """List an endpoint's deliveries

    Returns deliveries newest first. Pages never skip or repeat a delivery, even while new
    ones arrive. Each query parameter can appear only once.

    Args:
        app_id (str):
        webhook_id (UUID):
        status (DeliveryStatus | Unset): `PENDING`: another attempt will be made. `DELIVERED`: the
            receiver responded with 2xx. `FAILED`: no further attempt will be made.
        event (str | Unset): An event type: segments of letters, digits, `_` and `-`, separated by
            full stops.
        since (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from
            0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        until (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from
            0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        limit (int | Unset):  Default: 25.
        cursor (str | Unset): An opaque position in a list. It is valid only for the endpoint and
            filters it came from.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        status=status,
        event=event,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    status: DeliveryStatus | Unset = UNSET,
    event: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 25,
    cursor: str | Unset = UNSET,
) -> DeliveryPage:
    """List an endpoint's deliveries

    Returns deliveries newest first. Pages never skip or repeat a delivery, even while new
    ones arrive. Each query parameter can appear only once.

    Args:
        app_id (str):
        webhook_id (UUID):
        status (DeliveryStatus | Unset): `PENDING`: another attempt will be made. `DELIVERED`: the
            receiver responded with 2xx. `FAILED`: no further attempt will be made.
        event (str | Unset): An event type: segments of letters, digits, `_` and `-`, separated by
            full stops.
        since (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from
            0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        until (datetime.datetime | Unset): An ISO 8601 time with a UTC offset, from
            0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z. Digits beyond milliseconds are dropped.
        limit (int | Unset):  Default: 25.
        cursor (str | Unset): An opaque position in a list. It is valid only for the endpoint and
            filters it came from.

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        webhook_id=webhook_id,
        status=status,
        event=event,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
