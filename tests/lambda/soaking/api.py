"""Calls of the API, as API Gateway passes them to the function."""

import asyncio
import base64
import copy
import json

from functions import EVENTS


class Api:
    def __init__(self, pool):
        self.pool = pool
        self.sample = json.loads((EVENTS / "publish-event.json").read_text())
        self.app = self.sample["rawPath"].removesuffix("/events")

    async def call(self, method, path, body=None, query="", **headers):
        """The status and the data of the answer. None and None if there was no answer."""
        event = copy.deepcopy(self.sample)
        event["rawPath"] = event["requestContext"]["http"]["path"] = f"{self.app}{path}"
        event["requestContext"]["http"]["method"] = method
        event["rawQueryString"] = query
        if query:
            pairs = (pair.split("=", 1) for pair in query.split("&"))
            event["queryStringParameters"] = dict(pairs)
        del event["headers"]["idempotency-key"], event["headers"]["content-length"]
        event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None:
            del event["body"]
        else:
            event["body"] = json.dumps(body)
        answer, _ = await self.pool.invoke(event, "api")
        if answer is None:
            return None, None
        text = answer.get("body") or "null"
        if answer.get("isBase64Encoded"):
            text = base64.b64decode(text)
        parsed = json.loads(text)
        if parsed is None:
            return answer["statusCode"], None
        return answer["statusCode"], parsed.get("data", parsed.get("error"))

    async def insist(self, method, path, body=None, query=""):
        """Repeats a call until it succeeds."""
        while True:
            status, data = await self.call(method, path, body, query)
            if status and status < 300:
                return data
            if status and status < 500 and status not in (409, 429):
                raise SystemExit(f"{method} {path}: {status} {data}")
            await asyncio.sleep(1)

    async def pages(self, path, query):
        """The items of a list, page by page."""
        cursor = ""
        while True:
            data = await self.insist("GET", path, query=f"{query}{cursor}")
            yield data["items"]
            if not data["nextCursor"]:
                return
            cursor = f"&cursor={data['nextCursor']}"
