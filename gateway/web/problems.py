"""The one table from what went wrong to an HTTP status, and the envelopes of the dialects.

`x-should-retry: false` matters: the official SDKs repeat 408, 409, 429 and 5xx by themselves, and a repeated call may
be bought twice. Only what was certainly not sent may be retried.
"""

from typing import Any

import orjson

from gateway.errors import GatewayError, UpstreamFailed
from gateway.pipeline.attempt import PASSED_ON

METHOD_NOT_ALLOWED = 405
STATUS = {
    "invalid_request": 400,
    "repeated": 400,
    "unknown_key": 401,
    "key_revoked": 401,
    "budget_exceeded": 402,
    "policy_denied": 403,
    "stopped": 403,
    "task_calls_exceeded": 403,
    "workflow_unknown": 403,
    "prompt_invalid": 400,
    "workflow_not_released": 403,
    "release_stale": 403,
    "environment_unknown": 403,
    "route_unknown": 404,
    "path_unknown": 404,
    "method_not_allowed": METHOD_NOT_ALLOWED,
    "input_too_large": 413,
    "too_large": 413,
    "encoding_unknown": 415,
    "internal_error": 500,
    "outcome_not_recorded": 500,
    "rate_limited": 429,
    "exhausted": 502,
    "no_credential": 502,
    "upstream_failed": 502,
    "upstream_unreached": 502,
    "upstream_unreadable": 502,
    "busy": 503,
    "configuration_moved": 503,
    "ledger_halted": 503,
    "ledger_unavailable": 503,
    "no_target": 503,
    "not_configured": 503,
    "shutting_down": 503,
    "upstream_timeout": 504,
}
MAX_QUOTED = 2000
RETRYABLE = frozenset({"busy", "configuration_moved", "ledger_unavailable", "rate_limited"})

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "budget_exceeded", 403: "permission_error",
    404: "not_found_error", 405: "invalid_request_error", 413: "invalid_request_error", 415: "invalid_request_error",
    429: "rate_limit_error",
}  # fmt: skip


def status_of(error: GatewayError) -> int:
    return STATUS[error.code]


def openai_error(error: GatewayError, call: str) -> bytes:
    """Return the error in the envelope of the OpenAI API, with our call id beside it."""
    kind = _TYPES.get(status_of(error), "server_error")
    body: dict[str, Any] = {"message": error.message, "type": kind, "param": None, "code": error.code}
    return orjson.dumps({"error": body, "whyledger_call": call})


def openai_response(error: GatewayError, call: str) -> tuple[int, bytes]:
    """Return status and body; the provider's own 4xx is passed on, because only the caller can mend it."""
    if isinstance(error, UpstreamFailed) and error.body and error.status in PASSED_ON:
        if _is_openai_error(error.body):
            return error.status, error.body
        said = error.body[:MAX_QUOTED].decode("utf-8", "replace")
        return error.status, openai_error(UpstreamFailed(error.code, f"{error.message}: {said}"), call)
    return status_of(error), _in_its_words(error, call)


def _in_its_words(error: GatewayError, call: str) -> bytes:
    """Return the error as the provider told it inside an answer, where it did, else as ours."""
    if isinstance(error, UpstreamFailed) and error.status is None and error.body and _is_openai_error(error.body):
        return orjson.dumps(orjson.loads(error.body) | {"whyledger_call": call})
    return openai_error(error, call)


def _is_openai_error(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body)["error"]["message"], str)
    except (ValueError, LookupError, TypeError):
        return False


def openai_event(error: GatewayError, call: str) -> bytes:
    """Return the error as a server-sent event, for a stream that has begun."""
    return b"data: " + _in_its_words(error, call) + b"\n\n"
