"""A typed client of the webhook-endpoints API. Only this file and paging.py are written by
hand; the rest is generated from openapi.json."""

import httpx

from .client import AuthenticatedClient
from .errors import ApiError, Problem
from .paging import paginate

__all__ = ["ApiError", "AuthenticatedClient", "Problem", "connect", "paginate"]


def connect(base_url: str, key: str, *, timeout: float = 30) -> AuthenticatedClient:
    """A client for an API's address, as in the stack output `ApiUrl`, and an API key or the
    token of a portal session. A test ping can take 20 seconds, so the timeout is longer."""
    return AuthenticatedClient(base_url=base_url, token=key, timeout=httpx.Timeout(timeout))
