"""The one table from what went wrong to an HTTP status, and the errors of a call in the envelope of its dialect.

`x-should-retry: false` matters: the official SDKs repeat 408, 409, 429 and 5xx by themselves, and a repeated call may
be bought twice. Only what was certainly not sent may be retried.
"""

import orjson

from gateway.dialects.protocol import Dialect
from gateway.errors import GatewayError, UpstreamFailed
from gateway.pipeline.attempt import PASSED_ON
from gateway.web.waiting import approval_of, status_url

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
    "task_retries_exceeded": 403,
    "task_budget_exceeded": 402,
    "identical_calls": 403,
    "tool_cycle": 403,
    "tool_rounds_exceeded": 403,
    "workflow_unknown": 403,
    "prompt_invalid": 400,
    "workflow_not_released": 403,
    "release_stale": 403,
    **dict.fromkeys(map("approval_{}".format, ("required", "mismatch", "rejected", "expired", "used", "void")), 403),
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
    "list_unreadable": 503,
    "configuration_moved": 503,
    "ledger_halted": 503,
    "ledger_unavailable": 503,
    "no_target": 503,
    "not_configured": 503,
    "shutting_down": 503,
    "upstream_timeout": 504,
}
IN_FORMAT = {("anthropic.messages", "repeated"): 412}
"""Where clients of one format take a status for something else: at a 400 Claude Code (2.1.332) leaves something out of
the request and asks again, which makes it another one; Codex (0.171.0) repeats every other 4xx that was tried."""
MAX_QUOTED = 2000
RETRYABLE = frozenset({"busy", "configuration_moved", "ledger_unavailable", "rate_limited"})


def status_of(error: GatewayError, dialect: Dialect) -> int:
    return IN_FORMAT.get((dialect.name, error.code), STATUS[error.code])


def error_body(error: GatewayError, dialect: Dialect, call: str) -> bytes:
    """Return an error of ours in the envelope of a dialect; where a person is asked, it says where that stands."""
    said = dialect.error(status_of(error, dialect), error.code, error.message, call)
    if not (approval := approval_of(error)):
        return said
    value = orjson.loads(said)
    value["error"] |= {"approval_id": approval, "status_url": status_url(approval)}
    return orjson.dumps(value)


def error_response(error: GatewayError, dialect: Dialect, call: str) -> tuple[int, bytes]:
    """Return status and body; the provider's own 4xx is passed on, because only the caller can mend it."""
    if isinstance(error, UpstreamFailed) and error.body and error.status in PASSED_ON:
        if dialect.is_error(error.body):
            return error.status, error.body
        said = error.body[:MAX_QUOTED].decode("utf-8", "replace")
        return error.status, error_body(UpstreamFailed(error.code, f"{error.message}: {said}"), dialect, call)
    return status_of(error, dialect), _in_its_words(error, dialect, call)


def _in_its_words(error: GatewayError, dialect: Dialect, call: str) -> bytes:
    """Return the error as the provider told it inside an answer, where it did, else as ours."""
    if isinstance(error, UpstreamFailed) and error.status is None and error.body and dialect.is_error(error.body):
        return orjson.dumps(orjson.loads(error.body) | {"whyledger_call": call})
    return error_body(error, dialect, call)


def error_event(error: GatewayError, dialect: Dialect, call: str) -> bytes:
    """Return the error as what ends a stream that has begun."""
    return dialect.error_event(_in_its_words(error, dialect, call))
