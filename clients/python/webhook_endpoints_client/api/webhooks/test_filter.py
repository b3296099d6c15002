from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.filter_test import FilterTest
from ...models.filter_test_outcome import FilterTestOutcome


def _get_kwargs(
    app_id: str,
    webhook_id: UUID,
    *,
    body: FilterTest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/apps/{app_id}/webhooks/{webhook_id}/filter-test".format(
            app_id=quote(str(app_id), safe=""),
            webhook_id=quote(str(webhook_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(response: httpx.Response) -> FilterTestOutcome:
    if response.status_code == 200:
        response_200 = FilterTestOutcome.from_dict(response.json()["data"])

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    webhook_id: UUID,
    *,
    client: AuthenticatedClient,
    body: FilterTest,
) -> FilterTestOutcome:
    """Test a filter

    Returns whether an event with this data would get through the endpoint's filter, or
    through the filter in the request. Nothing is sent or changed. The request body can be at
    most 256 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (FilterTest):

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
    body: FilterTest,
) -> FilterTestOutcome:
    """Test a filter

    Returns whether an event with this data would get through the endpoint's filter, or
    through the filter in the request. Nothing is sent or changed. The request body can be at
    most 256 KiB.

    Args:
        app_id (str):
        webhook_id (UUID):
        body (FilterTest):

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
