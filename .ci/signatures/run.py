"""Verifies real deliveries with the public libraries for Python and JavaScript. Each
library must accept every delivery, and reject it with a changed body, with another id
or with another secret. Run it under .ci/with-service."""

import base64
import json
import os

from service import Checks, Receiver, call, changed
from verifiers import STANDARD

APP, API = os.environ["APP"], os.environ["API"]

# Event data, exactly as it is sent.
DATA = {
    "plain": '{"invoice":"inv_1","amount":1200}',
    "unicode": '{"name":"Zoë 王小明 🦀 \u2028 \u202e","escaped":"\\u00e9\\ud83e\\udd80\\u0000\\/"}',
    "layout": '{ "b" : 1.10 , "a" : 1e400, "a":\t-0.0 , "n":12345678901234567890123 }',
    "large": json.dumps({"text": "é🦀" * 40_000}, ensure_ascii=False),
    "empty": '""',
    "null": "null",
}


check = Checks()


def verify_all(what, headers, body, secret, wrong_secret):
    for library, verify in STANDARD.items():
        check(f"{library} accepts {what}", verify(secret, headers, body))
        check(
            f"{library} rejects {what} with a changed body",
            not verify(secret, headers, changed(body)),
        )
        other = {**headers, "webhook-id": headers["webhook-id"] + "0"}
        check(f"{library} rejects {what} with another id", not verify(secret, other, body))
        check(
            f"{library} rejects {what} with another secret",
            not verify(wrong_secret, headers, body),
        )


def deliveries(webhook, names):
    """Publishes events and sends a test ping. Returns the deliveries by name."""
    expected = {}
    for name in names:
        body = f'{{"type": "sample.{name}", "data": {DATA[name]}}}'
        event = call("POST", f"{APP}/events", body)
        expected[event["id"]] = name
    ping = call("POST", f"{API}/{webhook}/test-ping")
    check("the ping succeeds", ping["success"])
    found = {}
    for _ in range(len(names) + 1):
        headers, body = Receiver.arrived.get(timeout=30)
        name = expected.get(headers["webhook-id"], "ping")
        found[name] = (headers, body)
        if name in DATA:
            check(f"the data of {name} is unchanged", DATA[name].encode() in body)
    check("all deliveries arrive", set(found) == {*names, "ping"})
    return found


def overlapping(url, other):
    """Uses a text secret, then rotates with an overlap, during which each delivery must verify
    with either secret."""
    text = "a-secret-of-our-own-4f1c"
    body = {"url": url, "events": ["*"], "secret": text, "secretFormat": "text"}
    webhook = call("POST", API, json.dumps(body))["id"]
    headers, body = deliveries(webhook, ["unicode"])["unicode"]
    verify_all("unicode with a text secret", headers, body, as_key(text), other)
    rotation = json.dumps({"overlapSeconds": 3600})
    new = call("POST", f"{API}/{webhook}/rotate-secret", rotation)["secret"]
    for name, (headers, body) in deliveries(webhook, ["plain"]).items():
        signatures = headers["webhook-signature"].split(" ")
        check(f"{name} has two signatures during the overlap", len(signatures) == 2)
        for which, secret in {"new": new, "old": as_key(text)}.items():
            what = f"{name} during the overlap, with the {which} secret,"
            verify_all(what, headers, body, secret, other)


def as_key(text):
    """The form of a text secret that the libraries accept: its bytes as the key."""
    return "whsec_" + base64.b64encode(text.encode()).decode()


def main():
    url = Receiver.start()
    created = call("POST", API, json.dumps({"url": url, "events": ["*"]}))
    webhook, old = created["id"], created["secret"]
    before = deliveries(webhook, list(DATA))
    new = call("POST", f"{API}/{webhook}/rotate-secret")["secret"]
    after = deliveries(webhook, ["plain", "unicode"])
    for name, (headers, body) in before.items():
        verify_all(f"{name} before the rotation", headers, body, old, new)
    for name, (headers, body) in after.items():
        verify_all(f"{name} after the rotation", headers, body, new, old)
    call("PUT", f"{API}/{webhook}", json.dumps({"active": False}))
    overlapping(url, old)


main()
check.end()
