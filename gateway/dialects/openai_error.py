"""What a provider says went wrong: read in any form in which providers write it, and written as OpenAI does."""

from typing import Any, NamedTuple

import orjson

from gateway.dialects.envelope import EMPTY, Envelope
from gateway.dialects.sse import Event
from gateway.dialects.strict import written

MAX_SAID = 300
"""Characters of a provider's message that are passed on."""
_EXHAUSTED = frozenset({"insufficient_quota", "billing_hard_limit_reached", "enforced_spend_limit_reached"})


_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "budget_exceeded", 403: "permission_error",
    404: "not_found_error", 405: "invalid_request_error", 413: "invalid_request_error", 415: "invalid_request_error",
    429: "rate_limit_error",
}  # fmt: skip


class Said(NamedTuple):
    """A word that programs read, and a sentence."""

    code: str | None = None
    message: str = ""
    exhausted: bool = False
    """A quota is gone: a limit that waiting does not mend."""


def said_by(body: bytes) -> Said:
    """Return the words of the body of an error; of one that is no JSON its beginning, unless it is a page."""
    try:
        return _said_in(orjson.loads(body))
    except orjson.JSONDecodeError:
        text = " ".join(body[: 4 * MAX_SAID].decode("utf-8", "replace").split())
        return Said(message="" if text.startswith("<") else text[:MAX_SAID])


def _said_in(error: Any) -> Said:
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict) and isinstance(inner := error.get("error"), dict | str):
        error = inner
    if not isinstance(error, dict):
        return Said(message=str(error)[:MAX_SAID] if isinstance(error, str) else "")
    texts = [one for name in ("message", "detail", "msg") if isinstance(one := error.get(name), str) and one]
    words = [one for name in ("code", "type", "status") if isinstance(one := error.get(name), str) and one]
    message = " ".join(texts[0].split())[:MAX_SAID] if texts else ""
    return Said(words[0] if words else None, message, not _EXHAUSTED.isdisjoint(words))


class OpenAIEnvelope(Envelope):
    """How errors stand in the formats of OpenAI."""

    answer_mark = b'"choices"'
    """What nearly every body that is an answer holds."""

    def error_in(self, body: bytes) -> Any:
        if self.answer_mark in body:
            return None
        value = self.read_error(body)
        return value if value is EMPTY or value is None else None if value.get("choices") else value.get("error")

    def error_of(self, event: Event) -> Any:
        if event.done:
            return EMPTY
        value = event.value or {}
        if event.error or (value.get("error") and not value.get("choices")):
            return value.get("error") or value or True
        return None

    def wrapped(self, words: dict[str, Any]) -> dict[str, Any]:
        return {"error": {"message": str(words.get("detail") or "no message"), "type": "server_error"} | words}

    def is_wrapped(self, value: Any) -> bool:
        return isinstance(value["error"]["message"], str)

    def error(self, status: int, code: str, message: str, call: str) -> bytes:
        """Return an error of ours, with our id of the call beside it."""
        body = {"message": message, "type": _TYPES.get(status, "server_error"), "param": None, "code": code}
        return written({"error": body, "whyledger_call": call})

    def error_event(self, error: bytes) -> bytes:
        return b"data: " + error + b"\n\n"
