"""A typed client for the webhook-endpoints API. Only this file and paging.py are written by
hand; the rest is generated from openapi.json."""

import httpx

from .client import AuthenticatedClient
from .errors import ApiError, Problem
from .paging import paginate

__all__ = ["ApiError", "AuthenticatedClient", "Problem", "connect", "paginate"]


def connect(base_url: str, key: str, *, timeout: float = 30) -> AuthenticatedClient:
    """Creates a client from an API's URL, as in the stack output `ApiUrl`, and an API key or
    the token of a portal session. A test ping can take 20 seconds, so `timeout` should be
    longer than that."""
    return AuthenticatedClient(base_url=base_url, token=key, timeout=httpx.Timeout(timeout))
