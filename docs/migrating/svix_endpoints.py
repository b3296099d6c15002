#!/usr/bin/env python3
"""Prints the endpoints of a Svix environment, with their secrets, as lines to import.

Reads SVIX_TOKEN, and SVIX_URL, the URL of the API, such as https://api.eu.svix.com. Needs
only Python. The output contains secrets: protect it, and delete it when the import is done.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen


def get(*path: str, **query: str) -> dict[str, Any]:
    url = "/".join([os.environ["SVIX_URL"].rstrip("/"), "api/v1", *map(quote, path)])
    headers = {"Authorization": f"Bearer {os.environ['SVIX_TOKEN']}"}
    with urlopen(Request(f"{url}?{urlencode(query)}", headers=headers), timeout=30) as response:
        return json.load(response)


def every(*path: str) -> Iterator[dict[str, Any]]:
    query = {"limit": "100"}
    while True:
        page = get(*path, **query)
        yield from page["data"]
        if page["done"]:
            return
        query["iterator"] = page["iterator"]


def line(app: dict[str, Any], endpoint: dict[str, Any]) -> dict[str, Any]:
    path = ("app", app["id"], "endpoint", endpoint["id"])
    headers = get(*path, "headers")
    if headers["sensitive"]:
        names = ", ".join(headers["sensitive"])
        print(f"{endpoint['id']}: Svix does not show the values of {names}", file=sys.stderr)
    fields = {
        "appId": app.get("uid") or app["id"],
        "externalId": endpoint["id"],
        "url": endpoint["url"],
        "events": endpoint.get("filterTypes") or ["*"],
        "active": not endpoint.get("disabled"),
        "secret": get(*path, "secret")["key"],
        "description": endpoint.get("description"),
        "metadata": endpoint.get("metadata"),
        "channels": endpoint.get("channels"),
        "rateLimit": endpoint.get("rateLimit"),
        "headers": headers["headers"],
    }
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


for app in every("app"):
    for endpoint in every("app", app["id"], "endpoint"):
        print(json.dumps(line(app, endpoint)))
