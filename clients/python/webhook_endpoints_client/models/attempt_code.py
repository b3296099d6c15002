from typing import Literal, cast

AttemptCode = Literal[
    "broken_answer",
    "certificate_expired",
    "certificate_invalid",
    "certificate_not_yet_valid",
    "certificate_unknown_issuer",
    "certificate_wrong_name",
    "closed",
    "closed_in_head",
    "connect",
    "connect_timeout",
    "connection_refused",
    "dns",
    "dns_timeout",
    "head_timeout",
    "head_too_large",
    "ipv6_only",
    "not_http",
    "not_tls",
    "redirect",
    "refused_address",
    "response_timeout",
    "send_timeout",
    "timeout",
    "tls",
    "tls_incompatible",
    "tls_timeout",
]


def check_attempt_code(value: str) -> AttemptCode:
    """Accepts any value, because a later version of the API may have others."""
    return cast(AttemptCode, value)
