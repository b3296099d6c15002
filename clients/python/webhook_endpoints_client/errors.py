"""What the calls raise."""

import json
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Problem:
    """A field of the request and what is wrong with it."""

    field: str
    message: str


class ApiError(Exception):
    """A response that is not 2xx."""

    status: int
    code: str | None
    """`VALIDATION_ERROR`, `NOT_FOUND` and so on. None if the response is not the API's own."""
    details: list[Problem]
    """Every problem with the request if `code` is `VALIDATION_ERROR`."""
    request_id: str | None
    """Identifies the request in the operator's log."""
    retry_after: int | None
    """How many seconds to wait before a repetition, if the API says so (429 and 503)."""

    def __init__(self, response: httpx.Response) -> None:
        # A gateway in between may respond with something else than the API's JSON.
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {}
        super().__init__(error.get("message") or f"the API responded with {response.status_code}")
        self.status = response.status_code
        self.code = error.get("code")
        self.details = [
            Problem(each["field"], each["message"]) for each in error.get("details", [])
        ]
        self.request_id = response.headers.get("x-request-id")
        retry_after = response.headers.get("retry-after", "")
        self.retry_after = int(retry_after) if retry_after.isdigit() else None


__all__ = ["ApiError", "Problem"]
