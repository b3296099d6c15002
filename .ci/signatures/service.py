"""Calls the service that .ci/with-service started, and receives its deliveries."""

import json
import os
import queue
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def call(method, url, body=None):
    headers = {"x-api-key": os.environ["KEY"], "content-type": "application/json"}
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

    @classmethod
    def start(cls):
        """Starts a receiver and returns its URL."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), cls)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/hook"


class Checks:
    passed = failed = 0

    def __call__(self, what, holds):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}")

    def end(self):
        """Reports the result and ends the process."""
        print(f"{self.passed} passed, {self.failed} failed")
        raise SystemExit(self.failed > 0)


def changed(body):
    """The body with one bit flipped in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
