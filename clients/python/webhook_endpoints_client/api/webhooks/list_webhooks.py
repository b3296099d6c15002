from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient
from ...errors import ApiError
from ...models.list_webhooks_view import ListWebhooksView
from ...models.webhook import Webhook
from ...models.webhook_details import WebhookDetails
from ...types import UNSET, Unset


def _get_kwargs(
    app_id: str,
    *,
    view: ListWebhooksView | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_view: str | Unset = UNSET
    if not isinstance(view, Unset):
        json_view = view

    params["view"] = json_view

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/apps/{app_id}/webhooks".format(
            app_id=quote(str(app_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(response: httpx.Response) -> list[Webhook | WebhookDetails]:
    if response.status_code == 200:
        response_200 = []
        _response_200 = response.json()["data"]
        for response_200_item_data in _response_200:

            def _parse_response_200_item(data: object) -> Webhook | WebhookDetails:
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    response_200_item_type_0 = WebhookDetails.from_dict(data)

                    return response_200_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                response_200_item_type_1 = Webhook.from_dict(data)

                return response_200_item_type_1

            response_200_item = _parse_response_200_item(response_200_item_data)

            response_200.append(response_200_item)

        return response_200
    raise ApiError(response)


def sync(
    app_id: str,
    *,
    client: AuthenticatedClient,
    view: ListWebhooksView | Unset = UNSET,
) -> list[Webhook | WebhookDetails]:
    """List the app's endpoints

    Returns all endpoints of the app, newest first. Each has the fields of `Webhook`, or with
    `view=full` all fields.

    Args:
        app_id (str):
        view (ListWebhooksView | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        view=view,
    )
    return _parse_response(client.get_httpx_client().request(**kwargs))


async def asyncio(
    app_id: str,
    *,
    client: AuthenticatedClient,
    view: ListWebhooksView | Unset = UNSET,
) -> list[Webhook | WebhookDetails]:
    """List the app's endpoints

    Returns all endpoints of the app, newest first. Each has the fields of `Webhook`, or with
    `view=full` all fields.

    Args:
        app_id (str):
        view (ListWebhooksView | Unset):

    Raises:
        ApiError: If the response is not 2xx.
        httpx.TimeoutException: If the request takes longer than the client's timeout.
    """

    kwargs = _get_kwargs(
        app_id=app_id,
        view=view,
    )
    return _parse_response(await client.get_async_httpx_client().request(**kwargs))
