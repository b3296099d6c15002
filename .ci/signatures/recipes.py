"""Verifies deliveries that are signed with the recipes of docs/signatures.md, using the
public libraries of those schemes. Each recipe needs a service with its own settings, so this
starts one for each, with .ci/with-service."""

import json
import os
import pathlib
import subprocess
import sys

from service import Checks, Receiver, call, changed
from verifiers import SCHEMES, STANDARD

HERE = pathlib.Path(__file__).parent
RECIPES = sorted(path.stem for path in (HERE / "recipes").glob("*.json"))
# The environment variable of each parameter.
VARIABLES = {
    "SignatureHeaders": "SIGNATURE_HEADERS",
    "EventHeaders": "EVENT_HEADERS",
    "HeaderPrefix": "HEADER_PREFIX",
    "StandardHeaders": "STANDARD_HEADERS",
    "PayloadFormat": "PAYLOAD_FORMAT",
}
# The schemes in which a delivery can have the signatures of two secrets.
WITH_ROOM = {"stripe", "svix"}
OTHER_SECRET = "whsec_" + "A" * 43 + "="
DATA = '{"name":"Zoë 王小明 🦀","amount":1.10}'
BODIES = {
    "data": DATA,
    "flat": f'{{"event":"invoice.paid",{DATA[1:]}',
}


def settings(recipe):
    parameters = json.loads((HERE / "recipes" / f"{recipe}.json").read_text())
    return {
        VARIABLES[name]: value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
    }


def verify_all(check, verifiers, what, delivery, secret, wrong_secret):
    headers, body = delivery
    for library, verify in verifiers.items():
        check(f"{library} accepts {what}", verify(secret, headers, body))
        check(
            f"{library} rejects {what} with a changed body",
            not verify(secret, headers, changed(body)),
        )
        check(
            f"{library} rejects {what} with another secret",
            not verify(wrong_secret, headers, body),
        )


def deliveries(check, webhook, body_format):
    """A ping and an event."""
    ping = call("POST", f"{webhook}/test-ping")
    check("the ping succeeds", ping["success"])
    yield "a ping", Receiver.arrived.get(timeout=30)
    event = f'{{"type": "invoice.paid", "data": {DATA}}}'
    call("POST", f"{os.environ['APP']}/events", event)
    headers, body = Receiver.arrived.get(timeout=30)
    if body_format in BODIES:
        check("the body has its format", body.decode() == BODIES[body_format])
    yield "an event", (headers, body)


def rotated(check, body_format, overlap):
    """Yields deliveries before and after a rotation, with the two secrets."""
    api = os.environ["API"]
    created = call("POST", api, json.dumps({"url": Receiver.start(), "events": ["*"]}))
    webhook = f"{api}/{created['id']}"
    before = dict(deliveries(check, webhook, body_format))
    rotation = json.dumps({"overlapSeconds": overlap})
    new = call("POST", f"{webhook}/rotate-secret", rotation)["secret"]
    after = dict(deliveries(check, webhook, body_format))
    call("PUT", webhook, '{"active": false}')
    return before, after, created["secret"], new


def verify(recipe):
    """Verifies deliveries of a service that has the recipe's settings."""
    check = Checks()
    body_format = settings(recipe).get("PAYLOAD_FORMAT")
    verifiers = SCHEMES[recipe]
    if settings(recipe).get("STANDARD_HEADERS") != "false":
        verifiers = verifiers | STANDARD
    before, after, old, new = rotated(check, body_format, overlap=0)
    for what, delivery in before.items():
        verify_all(check, verifiers, f"{what} before the rotation", delivery, old, new)
    for what, delivery in after.items():
        verify_all(check, verifiers, f"{what} after the rotation", delivery, new, old)
    _, during, old, new = rotated(check, body_format, overlap=600)
    for what, delivery in during.items():
        verify_all(check, verifiers, f"{what} during an overlap", delivery, new, OTHER_SECRET)
        for library, verify_it in verifiers.items():
            has_room = library in STANDARD or recipe in WITH_ROOM
            check(
                f"{library} knows whether {what} has two signatures",
                verify_it(old, *delivery) == has_room,
            )
    check.end()


def verify_each():
    failed = []
    for recipe in RECIPES:
        print(f"{recipe}: ", end="", flush=True)
        command = [HERE.parent / "with-service", sys.executable, __file__, recipe]
        if subprocess.run(command, check=False, env=os.environ | settings(recipe)).returncode:
            failed.append(recipe)
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


match sys.argv[1:]:
    case []:
        verify_each()
    case [recipe]:
        verify(recipe)
