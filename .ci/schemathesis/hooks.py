"""Hooks that give Schemathesis existing ids, and list rules that no schema can express."""

import os
import re
import threading
import uuid
import zlib

import requests
import schemathesis
from hypothesis import strategies as st

APP, API = os.environ["APP"], os.environ["API"]
APP_ID = APP.rsplit("/", 1)[1]
KEY = {"x-api-key": os.environ["KEY"]}
PLATFORM_KEY = {"x-api-key": os.environ["PLATFORM_KEY"]}

# Nothing listens on this port, and no test reaches the network.
RECEIVER = "https://127.0.0.1:9"
PUBLIC = re.compile(r"^https://example\.com")
APP_IDS = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")


class Known:
    """Existing ids, newest last. Deletes old endpoints, because an app can have at most
    100."""

    def __init__(self):
        self.lock = threading.Lock()
        self.webhooks = []
        self.deliveries = {}

    def created(self, webhook):
        with self.lock:
            self.webhooks.append(webhook)
            oldest = self.webhooks.pop(0) if len(self.webhooks) > 20 else None
        if oldest:
            requests.delete(f"{API}/{oldest}", headers=KEY, timeout=10)

    def deleted(self, webhook):
        with self.lock:
            if webhook in self.webhooks:
                self.webhooks.remove(webhook)

    def delivered(self, webhook, delivery):
        with self.lock:
            self.deliveries.setdefault(webhook, []).append(delivery)

    def in_place_of(self, ids):
        """Replaces most ids that don't exist with existing ones."""
        ids = dict(ids)
        number = {name: id.int for name, text in ids.items() if (id := uuid_of(text))}
        if APP_IDS.match(str(ids.get("appId", ""))):
            number["appId"] = zlib.crc32(ids["appId"].encode())
        replaced = {name for name in number if number[name] % 8}
        with self.lock:
            if "appId" in replaced:
                ids["appId"] = APP_ID
            webhooks = [
                id for id in self.webhooks if "deliveryId" not in ids or id in self.deliveries
            ]
            if "webhookId" in replaced and webhooks and ids["webhookId"] not in webhooks:
                ids["webhookId"] = webhooks[number["webhookId"] % len(webhooks)]
            of_webhook = self.deliveries.get(ids.get("webhookId"))
            if "deliveryId" in replaced and of_webhook and ids["deliveryId"] not in of_webhook:
                ids["deliveryId"] = of_webhook[number["deliveryId"] % len(of_webhook)]
        return ids


def uuid_of(text):
    try:
        return uuid.UUID(text) if len(text) == 36 else None
    except (TypeError, ValueError):
        return None


known = Known()
for _ in range(8):
    body = {"url": f"{RECEIVER}/hook", "events": ["nothing"]}
    webhook = requests.post(API, headers=KEY, json=body, timeout=10).json()["data"]["id"]
    known.created(webhook)
    ping = requests.post(f"{API}/{webhook}/test-ping", headers=KEY, timeout=30)
    known.delivered(webhook, ping.json()["data"]["deliveryId"])


# Created here, so that the platform's calls have an existing app.
requests.put(f"{APP}", headers=PLATFORM_KEY, json={"name": "Acme"}, timeout=10)


@schemathesis.hook
def before_call(context, case, kwargs):
    # The document says which key a call needs. If a test replaced the key, keep it.
    needs = case.operation.definition.raw.get("security") or [{}]
    if ["platform"] in needs[0].values() and (kwargs.get("headers") or {}).get("x-api-key") == KEY["x-api-key"]:
        kwargs["headers"] = {**kwargs["headers"], **PLATFORM_KEY}
    # Stateful scenarios create their own data, and the ids that they delete must stay
    # missing.
    if case.path_parameters and case.meta and case.meta.phase.name != "stateful":
        case.path_parameters = known.in_place_of(case.path_parameters)
    # Redirect the URLs in examples to the port where nothing listens.
    if isinstance(case.body, dict) and isinstance(case.body.get("url"), str):
        case.body["url"] = PUBLIC.sub(RECEIVER, case.body["url"])


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw["operationId"]
    if not 200 <= response.status_code < 300:
        return
    if operation == "createWebhook":
        known.created(response.json()["data"]["id"])
    elif operation == "deleteWebhook":
        known.deleted(case.path_parameters["webhookId"])
    elif operation == "testPing":
        delivery = response.json()["data"]["deliveryId"]
        known.delivered(case.path_parameters["webhookId"], delivery)
    elif operation == "resendDelivery":
        known.delivered(case.path_parameters["webhookId"], response.json()["data"]["id"])


# Validation errors for rules that no schema can express: the list that a cursor belongs to,
# the order of two times, which hosts are allowed, the number of different event types,
# which fields make a change, and the format of a secret.
UNSTATED = {
    ("body", "must set at least one field that can be changed"),
    ("events", "must have 1 to 100 different event types"),
    ("metadata", "must be at most 2,048 bytes in all"),
    ("filter", "must be at most 4,096 bytes"),
    ("channels", "must have at most 10 different channels"),
    ("webhookId", "must be a UUID"),
    ("webhookId", "must be an endpoint of the app"),
    ("url", "must be an absolute https URL with a host"),
    ("url", "must not have a private, local or reserved address"),
    ("cursor", "must be the nextCursor of this endpoint's list with the same filter"),
    ("until", "must be later than since"),
    ("cursor", "must be the nextCursor of this list with the same filter"),
    ("expiresAt", "must be in the future"),
    ("secret", "must be whsec_ followed by the padded base64 of 24 to 64 bytes"),
    ("secretFormat", "must come with a secret"),
    ("headers", "must be set again, or be null, because the URL changes"),
    ("headers", "must have at most 4,096 bytes of values"),
}

# The same for messages that quote something: the catalogue's types, and the values that
# JSON Schema's keywords take.
UNSTATED_BEGINNINGS = (
    ("type", "must be in the catalogue of event types, and "),
    ("type", "must be a type with an example, and "),
    ("schema", "must be a JSON Schema of 2020-12, in which "),
)


def is_stated(error):
    field, message = error["field"], error["message"]
    # A schema can't express which names are refused, or that names must differ in more than
    # letter case.
    if field.startswith("headers."):
        return "must be a string of" in message
    # The schema does not cover all forms of a filter.
    if (field, message) in UNSTATED or field.startswith("filter."):
        return False
    return not any(
        field == name and message.startswith(beginning)
        for name, beginning in UNSTATED_BEGINNINGS
    )


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # An empty query parameter counts as absent.
    if type(failure).__name__ == "AcceptedNegativeData" and "" in (case.query or {}).values():
        return False
    # An invalid event in a batch is rejected in its row, with a 202 for the batch.
    if type(failure).__name__ == "AcceptedNegativeData":
        operation = case.operation.definition.raw["operationId"]
        if operation == "publishEvents" and response.json()["data"]["rejected"] > 0:
            return False
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 400:
        return True
    errors = response.json()["error"]["details"]
    return any(is_stated(error) for error in errors)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Generates URLs with a custom format, because a pattern can't express which hosts are
    allowed."""
    raw_schema["components"]["schemas"]["GivenUrl"]["format"] = "webhook-url"


schemathesis.openapi.format(
    "webhook-url",
    st.from_regex(r"[a-z0-9/._~%-]{0,40}", fullmatch=True).map(lambda path: f"{RECEIVER}/{path}"),
)
