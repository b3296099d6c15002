"""Public libraries that verify deliveries. Each is a function of the secret, the headers
and the body."""

import base64
import functools
import json
import pathlib
import subprocess

import slack_sdk.signature
import standardwebhooks
import svix.webhooks

HERE = pathlib.Path(__file__).parent


class JavaScript:
    """Runs the JavaScript libraries in one Node process."""

    @functools.cached_property
    def node(self):
        return subprocess.Popen(
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


def raising(webhook, rejection):
    """A verifier from a class whose method `verify` raises an exception to reject."""

    def verify(secret, headers, body):
        try:
            webhook(secret).verify(body, headers)
        except rejection:
            return False
        return True

    return verify


def slack(secret, headers, body):
    return slack_sdk.signature.SignatureVerifier(secret).is_valid_request(body, headers)


def openssl(algorithm, secret, signed):
    """The signature in hexadecimal digits."""
    command = ["openssl", "dgst", f"-{algorithm}", "-hmac", secret, "-r"]
    digest = subprocess.run(command, input=signed, capture_output=True, check=True).stdout
    return digest.split()[0].decode()


def github_sha1(secret, headers, body):
    return headers["x-hub-signature"] == f"sha1={openssl('sha1', secret, body)}"


def hexadecimal(secret, headers, body):
    signed = headers["x-acme-timestamp"].encode() + b"." + body
    return headers["x-acme-signature"] == openssl("sha256", secret, signed)


def without_standard(verify):
    """Removes the Standard Webhooks headers, which Svix's libraries would accept instead."""

    def verify_others(secret, headers, body):
        others = {k: v for k, v in headers.items() if not k.startswith("webhook-")}
        return verify(secret, others, body)

    return verify_others


javascript = JavaScript()
STANDARD = {
    "standardwebhooks in Python": raising(
        standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError
    ),
    "svix in Python": raising(svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
    "standardwebhooks in JavaScript": javascript.verifier("standardwebhooks"),
    "svix in JavaScript": javascript.verifier("svix"),
}
# The keys are the names of the recipes.
SCHEMES = {
    "stripe": {"stripe in JavaScript": javascript.verifier("stripe")},
    "github": {
        "@octokit/webhooks-methods in JavaScript": javascript.verifier("github"),
        "openssl (SHA-1)": github_sha1,
    },
    "shopify": {"@shopify/shopify-api in JavaScript": javascript.verifier("shopify")},
    "slack": {"slack_sdk in Python": slack},
    "svix": {
        name: without_standard(STANDARD[name]) for name in ("svix in Python", "svix in JavaScript")
    },
    "hex": {"openssl": hexadecimal},
}
