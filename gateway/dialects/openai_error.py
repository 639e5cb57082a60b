"""What a provider says went wrong: read in any of the forms in which it is written, and written in the format's own."""

from typing import Any, NamedTuple

import orjson

from gateway.dialects.openai_wire import Event

MAX_SAID = 300
"""Characters of a provider's message that are passed on."""
EMPTY: dict[str, Any] = {"message": "an empty answer"}
"""In place of an error where there is no answer at all."""
_EXHAUSTED = frozenset({"insufficient_quota", "billing_hard_limit_reached", "enforced_spend_limit_reached"})


class Said(NamedTuple):
    """A word that programs read, and a sentence."""

    code: str | None = None
    message: str = ""
    exhausted: bool = False
    """A quota is gone: a limit that waiting does not mend."""


def error_in(body: bytes) -> Any:
    """Return the error that a body with status 200 is instead of an answer, `EMPTY` where it is nothing, or None."""
    if b'"choices"' in body:  # as nearly all have it
        return None
    if not body.strip():
        return EMPTY
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value.get("error") if isinstance(value, dict) and not value.get("choices") else None


def error_of(event: Event) -> Any:
    """Return the error that the first event of a stream is, `EMPTY` where it is the end already, or None."""
    if event.done:
        return EMPTY
    value = event.value or {}
    if event.error or (value.get("error") and not value.get("choices")):
        return value.get("error") or value or True
    return None


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


def as_error(said: Any) -> bytes | None:
    """Return what a provider said went wrong in the envelope of the format, so that clients find its words."""
    if said is None or said is True:
        return None
    body = said if isinstance(said, dict) else {"message": str(said)}
    if isinstance(inner := body.get("error"), dict):
        body = inner
    return orjson.dumps({"error": {"message": str(body.get("detail") or "no message"), "type": "server_error"} | body})
