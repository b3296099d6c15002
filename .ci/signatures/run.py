"""Verifies real deliveries with the public libraries for Python and JavaScript. Each
library must accept every delivery, and reject it with a changed body, with another id
or with another secret. Run it under .ci/with-service."""

import base64
import json
import os
import pathlib
import queue
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks
import svix.webhooks

APP, API, KEY = os.environ["APP"], os.environ["API"], os.environ["KEY"]
HERE = pathlib.Path(__file__).parent

# Event data, exactly as it is sent.
DATA = {
    "plain": '{"invoice":"inv_1","amount":1200}',
    "unicode": '{"name":"Zoë 王小明 🦀 \u2028 \u202e","escaped":"\\u00e9\\ud83e\\udd80\\u0000\\/"}',
    "layout": '{ "b" : 1.10 , "a" : 1e400, "a":\t-0.0 , "n":12345678901234567890123 }',
    "large": json.dumps({"text": "é🦀" * 40_000}, ensure_ascii=False),
    "empty": '""',
    "null": "null",
}


def call(method, url, body=None):
    headers = {"x-api-key": KEY, "content-type": "application/json"}
    data = body.encode() if body is not None else None
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


class Receiver(BaseHTTPRequestHandler):
    """Records requests, with the exact bytes of the body."""

    arrived = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.arrived.put((headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class JavaScript:
    """Runs the JavaScript libraries in one Node process."""

    def __init__(self):
        self.node = subprocess.Popen(
            ["node", HERE / "verify.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def verifier(self, library):
        def verify(secret, headers, body):
            case = {
                "library": library,
                "secret": secret,
                "headers": headers,
                "body": base64.b64encode(body).decode(),
            }
            print(json.dumps(case), file=self.node.stdin, flush=True)
            return {"true\n": True, "false\n": False}[self.node.stdout.readline()]

        return verify


def python(webhook, rejection):
    def verify(secret, headers, body):
        try:
            webhook(secret).verify(body, headers)
        except rejection:
            return False
        return True

    return verify


javascript = JavaScript()
VERIFIERS = {
    "standardwebhooks in Python": python(
        standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError
    ),
    "svix in Python": python(svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
    "standardwebhooks in JavaScript": javascript.verifier("standardwebhooks"),
    "svix in JavaScript": javascript.verifier("svix"),
}

passed = failed = 0


def check(what, holds):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}")


def changed(body):
    """The body with one bit flipped in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def verify_all(what, headers, body, secret, wrong_secret):
    for library, verify in VERIFIERS.items():
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
    """A secret of text, and then a rotation with an overlap, during which each delivery must
    verify with either secret."""
    text = "a-secret-of-our-own-4f1c"
    body = {"url": url, "events": ["*"], "secret": text, "secretFormat": "text"}
    webhook = call("POST", API, json.dumps(body))["id"]
    headers, body = deliveries(webhook, ["unicode"])["unicode"]
    verify_all("unicode with a secret of text", headers, body, as_key(text), other)
    rotation = json.dumps({"overlapSeconds": 3600})
    new = call("POST", f"{API}/{webhook}/rotate-secret", rotation)["secret"]
    for name, (headers, body) in deliveries(webhook, ["plain"]).items():
        signatures = headers["webhook-signature"].split(" ")
        check(f"{name} has two signatures during the overlap", len(signatures) == 2)
        for which, secret in {"new": new, "old": as_key(text)}.items():
            what = f"{name} during the overlap, with the {which} secret,"
            verify_all(what, headers, body, secret, other)


def as_key(text):
    """What the libraries take for a secret of text: its bytes as the key."""
    return "whsec_" + base64.b64encode(text.encode()).decode()


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
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
print(f"{passed} passed, {failed} failed")
raise SystemExit(failed > 0)
