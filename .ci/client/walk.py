"""Makes every API call with the Python client, which is generated from openapi.json.

walk.ts checks what the calls do. This checks that the client can make them, parse their
responses, and report errors.
"""

import asyncio
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
from webhook_endpoints_client import ApiError, AuthenticatedClient, connect, paginate
from webhook_endpoints_client.api.api_keys import (
    create_key,
    get_key,
    list_keys,
    revoke_key,
)
from webhook_endpoints_client.api.apps import delete_app, get_app, list_apps, put_app
from webhook_endpoints_client.api.deliveries import (
    get_delivery,
    list_deliveries,
    recover_deliveries,
    replay_events,
    resend_delivery,
)
from webhook_endpoints_client.api.description import get_description
from webhook_endpoints_client.api.event_types import (
    delete_event_type,
    get_event_type,
    list_event_types,
    put_event_type,
)
from webhook_endpoints_client.api.events import (
    delete_event,
    get_event,
    publish_event,
    publish_events,
)
from webhook_endpoints_client.api.portal_sessions import (
    create_portal_session,
    revoke_portal_session,
)
from webhook_endpoints_client.api.webhooks import (
    create_webhook,
    delete_previous_secret,
    delete_webhook,
    get_webhook,
    list_webhooks,
    rotate_secret,
    test_filter,
    test_ping,
    update_webhook,
)
from webhook_endpoints_client.models import (
    AppChange,
    CreatedWebhook,
    FilterTest,
    GivenCatalogueType,
    Metadata,
    NewApiKey,
    NewBatch,
    NewBatchEvent,
    NewEvent,
    NewPing,
    NewWebhook,
    Recovery,
    Replay,
    Rotation,
    WebhookChange,
    WebhookDetails,
)

DOCUMENT = json.loads(Path(__file__).parents[2].joinpath("openapi.json").read_text())
BASE_URL, APP_ID = os.environ["APP"].split("/apps/")

T = TypeVar("T")

walked: set[tuple[str, str]] = set()
failed = 0


def check(what: str, holds: bool) -> None:
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}", file=sys.stderr)


def note(response: httpx.Response) -> None:
    """Records the call of a successful request, to check at the end that every call was made."""
    if response.is_success:
        walked.add((response.request.method.lower(), response.request.url.path))


def refused(status: int, code: str, call: Callable[[], Any]) -> ApiError:
    try:
        call()
    except ApiError as error:
        check(f"{error} is a {status} {code}", (error.status, error.code) == (status, code))
        check(f"{error} has a request id", error.request_id is not None)
        return error
    raise AssertionError(f"expected a {status} {code}")


def eventually(what: str, look: Callable[[], T | None]) -> T:
    for _ in range(200):
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"timed out waiting for {what}")


class Receiver(BaseHTTPRequestHandler):
    """Answers 410 on /gone, and 200 on other paths."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(410 if self.path == "/gone" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def client_with(key: str) -> AuthenticatedClient:
    client = connect(BASE_URL, key)
    client.get_httpx_client().event_hooks["response"].append(note)
    return client


client, platform = client_with(os.environ["KEY"]), client_with(os.environ["PLATFORM_KEY"])


def walk_platform() -> None:
    app_id = "walk-py"
    metadata = Metadata()
    metadata["plan"] = "pro"
    put_app.sync(app_id, client=platform, body=AppChange(name="Walk", metadata=metadata))
    app = get_app.sync(app_id, client=platform)
    check("an app has its metadata", app.metadata["plan"] == "pro")
    apps = paginate(list_apps.sync, client=platform, prefix="walk-", limit=1)
    check("the list has the app", app_id in [each.id for each in apps])
    key = create_key.sync(app_id, client=platform, body=NewApiKey(scope="read"))
    reader = client_with(key.key)
    access = get_key.sync(client=reader)
    check("a key names its app", access.app_id == app_id)
    check("an app's keys have its key", list_keys.sync(app_id, client=platform)[0].id == key.id)
    new = NewWebhook(url="https://example.com", events=["*"])
    refused(403, "FORBIDDEN", lambda: create_webhook.sync(app_id, client=reader, body=new))
    revoke_key.sync(app_id, key.id, client=platform)
    session = create_portal_session.sync(app_id, client=platform)
    customer = client_with(session.token)
    check("a session can list", list_webhooks.sync(app_id, client=customer) == [])
    revoke_portal_session.sync(app_id, session.id, client=platform)
    check("a deletion begins", delete_app.sync(app_id, client=platform).status == "DELETING")


def walk_catalogue() -> None:
    name = "walk.done"
    body = GivenCatalogueType(description="A walk", example={"steps": 3}, group="Walks")
    put_event_type.sync(name, client=platform, body=body)
    check("a type is read", get_event_type.sync(name, client=client).description == "A walk")
    listed = list(paginate(list_event_types.sync, client=client, group="Walks", limit=1))
    check("the catalogue has the type", listed[0].name == name)


def walk_endpoint(receiver: str) -> CreatedWebhook:
    new = NewWebhook(url=f"{receiver}/hook", events=["invoice.*"])
    created = create_webhook.sync(APP_ID, client=client, body=new)
    [basic] = list_webhooks.sync(APP_ID, client=client)
    check("the list has the endpoint", basic.id == created.id)
    [full] = list_webhooks.sync(APP_ID, client=client, view="full")
    check("the full view has all fields", isinstance(full, WebhookDetails))
    check("a get equals it", get_webhook.sync(APP_ID, created.id, client=client) == full)
    event = FilterTest(data={"invoice": "inv_1"})
    tried = test_filter.sync(APP_ID, created.id, client=client, body=event)
    check("an endpoint without a filter gets any data", tried.matches)
    change = WebhookChange(events=["*"])
    updated = update_webhook.sync(APP_ID, created.id, client=client, body=change)
    check("an update returns the new state", updated.events == ["*"])
    rotation = Rotation(overlap_seconds=60)
    rotated = rotate_secret.sync(APP_ID, created.id, client=client, body=rotation)
    check("a rotation returns a new secret", rotated.secret != created.secret)
    during = get_webhook.sync(APP_ID, created.id, client=client)
    check("the previous secret still signs", during.previous_secret_expires_at is not None)
    delete_previous_secret.sync(APP_ID, created.id, client=client)
    ping = test_ping.sync(APP_ID, created.id, client=client, prefer="wait=20")
    check("a ping returns its outcome", ping.status == "DELIVERED" and ping.status_code == 200)
    like = NewPing(type_="walk.done")
    later = test_ping.sync(APP_ID, created.id, client=client, body=like, prefer="respond-async")
    check("a ping need not wait for its outcome", later.status == "PENDING")
    delete_event_type.sync("walk.done", client=platform)
    return created


def walk_events(endpoint: CreatedWebhook) -> None:
    event = publish_event.sync(
        APP_ID,
        client=client,
        body=NewEvent(type_="invoice.paid", data={"invoice": "inv_1"}),
        idempotency_key="walk-py-1",
    )
    batch = NewBatch(
        events=[
            NewBatchEvent(type_="invoice.sent", data=None),
            NewBatchEvent(type_="test.ping", data=None),
        ]
    )
    published = publish_events.sync(APP_ID, client=client, body=batch)
    check("a batch is accepted in part", (published.accepted, published.rejected) == (1, 1))

    def all_deliveries() -> list[Any] | None:
        pages = paginate(
            list_deliveries.sync, APP_ID, endpoint.id, client=client, status="DELIVERED", limit=1
        )
        found = list(pages)
        return found if len(found) == 4 else None

    deliveries = eventually("four deliveries", all_deliveries)
    paid = next(each for each in deliveries if each.event == "invoice.paid")
    details = get_delivery.sync(APP_ID, endpoint.id, paid.id, client=client)
    check("a delivery names its event", details.event_id == event.id)
    check("a delivery has its attempt", details.attempt_log[0].response_status == 200)
    check("a delivery has its time", details.created_at.tzinfo is not None)
    found = get_event.sync(APP_ID, event.id, client=client)
    check("an event has its delivery", found.deliveries[0].id == paid.id)
    resent = resend_delivery.sync(APP_ID, endpoint.id, paid.id, client=client)
    check("a resend is a new delivery", resent.id != paid.id)
    brief = NewEvent(type_="invoice.brief", data=None, store_payload=False)
    publish_event.sync(APP_ID, client=client, body=brief)
    delete_event.sync(APP_ID, event.id, client=client)
    left = get_event.sync(APP_ID, event.id, client=client)
    check("a deleted event has no payload", left.payload is None)
    check("a deleted event has the time of its deletion", left.payload_deleted_at is not None)


def walk_recovery(endpoint: CreatedWebhook, receiver: str) -> None:
    def change(**fields: Any) -> None:
        body = WebhookChange(**fields)
        update_webhook.sync(APP_ID, endpoint.id, client=client, body=body)

    change(url=f"{receiver}/gone")
    publish_event.sync(APP_ID, client=client, body=NewEvent(type_="invoice.lost", data=None))

    def disabled() -> WebhookDetails | None:
        found = get_webhook.sync(APP_ID, endpoint.id, client=client)
        return found if found.disabled_reason == "GONE" else None

    eventually("the endpoint to be disabled", disabled)
    recovery = Recovery(since=endpoint.created_at, status="FAILED")

    def recover() -> Any:
        return recover_deliveries.sync(APP_ID, endpoint.id, client=client, body=recovery)

    refused(409, "CONFLICT", recover)
    change(url=f"{receiver}/hook", active=True)
    check("a recovery resends the failed delivery", recover().deliveries == 1)

    def replay() -> Any:
        body = Replay(since=endpoint.created_at)
        try:
            return replay_events.sync(APP_ID, endpoint.id, client=client, body=body)
        except ApiError as error:
            # The recovery is under way.
            if error.status != 409:
                raise
            return None

    replayed = eventually("the end of the recovery", replay)
    check("a replay finds nothing that the endpoint never got", replayed.deliveries == 0)


def walk_errors(endpoint: CreatedWebhook) -> None:
    invalid = NewWebhook(url="ftp://example.com", events=[])
    create = create_webhook.sync
    error = refused(400, "VALIDATION_ERROR", lambda: create(APP_ID, client=client, body=invalid))
    check("a 400 names the fields", {each.field for each in error.details} == {"url", "events"})
    stranger = connect(BASE_URL, "nobody")
    refused(401, "AUTHENTICATION_ERROR", lambda: list_webhooks.sync(APP_ID, client=stranger))
    delete_webhook.sync(APP_ID, endpoint.id, client=client)
    gone = get_webhook.sync
    refused(404, "NOT_FOUND", lambda: gone(APP_ID, endpoint.id, client=client))


async def walk_async() -> None:
    async with connect(BASE_URL, os.environ["KEY"]) as asynchronous:
        listed = await list_webhooks.asyncio(APP_ID, client=asynchronous)
        check("a call can be awaited", listed == [])


def must_have_walked_everything() -> None:
    description = get_description.sync(client=client)
    check("the document is served", description.openapi == DOCUMENT["openapi"])
    for path, item in DOCUMENT["paths"].items():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for method in {"get", "put", "post", "delete"} & item.keys():
            called = any(m == method and pattern.fullmatch(p) for m, p in walked)
            check(f"{method} {path} was called", called)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver = f"http://127.0.0.1:{server.server_port}"
    walk_platform()
    walk_catalogue()
    endpoint = walk_endpoint(receiver)
    walk_events(endpoint)
    walk_recovery(endpoint, receiver)
    walk_errors(endpoint)
    asyncio.run(walk_async())
    must_have_walked_everything()
    print(f"{len(walked)} calls, {failed} failed checks")
    sys.exit(failed != 0)


main()
