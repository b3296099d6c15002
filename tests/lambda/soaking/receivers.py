"""The receivers of the soak, as a process of their own. Every request is verified with the
public library of Standard Webhooks and gets a line in a file.

Commands are lines of JSON on standard input, and each has an answer. The first one lists the
endpoints."""

import asyncio
import datetime
import json
import random
import socket
import struct
import sys
import time

from standardwebhooks import Webhook, WebhookVerificationError


class Endpoint:
    def __init__(self, name, manner, port, log):
        self.name = name
        self.manner = manner
        self.log = log
        # Newest first, and numbered from 0 on as they come.
        self.secrets = []
        self.is_hanging = False
        self.is_refusing = False
        self.connections = set()
        self.server = None
        self.port = port

    def add_secret(self, secret):
        self.secrets.insert(0, (len(self.secrets), Webhook(secret)))

    async def listen(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: Connection(self), "127.0.0.1", self.port, backlog=1024
        )

    async def refuse(self, refusing):
        if refusing == self.is_refusing:
            return
        self.is_refusing = refusing
        if not refusing:
            await self.listen()
            return
        self.server.close()
        for connection in list(self.connections):
            connection.reset()


def verify(endpoint, headers, body):
    """Which secret signed the request (None: none of them), and whether it did so at a
    time that a receiver accepts."""
    for number, webhook in endpoint.secrets:
        try:
            webhook.verify(body, headers, json_parse=False)
            return number, True
        except WebhookVerificationError as error:
            if "timestamp" in str(error):
                break
    else:
        return None, True
    # The library looks at the time first.
    at = datetime.datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=datetime.UTC)
    for number, webhook in endpoint.secrets:
        expected = webhook.sign(headers["webhook-id"], at, body.decode())
        if expected in headers["webhook-signature"].split(" "):
            return number, False
    return None, False


class Connection(asyncio.Protocol):
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.buffer = bytearray()
        self.transport = None
        self.unanswered = []

    def connection_made(self, transport):
        self.transport = transport
        self.endpoint.connections.add(self)

    def connection_lost(self, _):
        self.endpoint.connections.discard(self)
        for line in self.unanswered:
            self.write_line(line, "unanswered")
        self.unanswered = []

    def reset(self):
        """Closes with a reset, as a crashed server does."""
        found = self.transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in head[1:]:
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self.buffer) < whole:
                return
            body = bytes(self.buffer[end + 4 : whole])
            del self.buffer[:whole]
            self.take(headers, body)

    def take(self, headers, body):
        """Answers a request. `accounts.read` reads the lines."""
        endpoint = self.endpoint
        number, is_timely = verify(endpoint, headers, body)
        data = json.loads(body)["data"]
        line = [
            f"{time.time():.3f}",
            endpoint.name,
            headers["webhook-id"],
            headers.get("x-soak-worker", "-"),
            headers.get("x-soak-attempt", "-"),
            "-" if number is None else str(number),
            headers["webhook-timestamp"],
            str(data["n"]),
            str(data["at"]),
        ]
        if number is None or not is_timely:
            self.answer(line, 401, "unverified" if number is None else "untimely")
            return
        self.behave(line)

    def behave(self, line):
        endpoint, manner = self.endpoint, self.endpoint.manner
        if endpoint.is_hanging:
            self.unanswered.append(line)
        elif manner == "slow":
            self.unanswered.append(line)
            wait = endpoint.seconds
            asyncio.get_running_loop().call_later(wait, self.answer_late, line)
        elif manner == "flapping" and random.random() < 0.5:
            self.answer(line, 500, "500")
        elif manner == "resetting" and random.random() < 0.1:
            self.write_line(line, "reset")
            self.reset()
        else:
            self.answer(line, 200, "200")

    def answer_late(self, line):
        if line in self.unanswered:
            self.unanswered.remove(line)
            self.answer(line, 200, "200")

    def answer(self, line, status, note):
        if self.transport.is_closing():
            self.write_line(line, "unanswered")
            return
        self.transport.write(f"HTTP/1.1 {status} Soak\r\ncontent-length: 2\r\n\r\nok".encode())
        self.write_line(line, note)

    def write_line(self, line, note):
        self.endpoint.log.write(" ".join([*line, note]) + "\n")


async def serve(log):
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    endpoints = {}
    for given in json.loads(await reader.readline()):
        endpoint = Endpoint(given["name"], given["manner"], given["port"], log)
        endpoint.seconds = given.get("seconds", 5)
        endpoint.add_secret(given["secret"])
        await endpoint.listen()
        endpoints[endpoint.name] = endpoint
    print("ready", flush=True)
    while line := await reader.readline():
        command = json.loads(line)
        endpoint = endpoints.get(command.get("endpoint"))
        match command["do"]:
            case "secret":
                endpoint.add_secret(command["secret"])
            case "hang":
                endpoint.is_hanging = command["on"]
            case "refuse":
                await endpoint.refuse(command["on"])
        log.flush()
        print("done", flush=True)


if __name__ == "__main__":
    with open(sys.argv[1], "w", buffering=1 << 16) as file:
        asyncio.run(serve(file))
