"""A request that was charged and whose answer could not be given out is not bought again when a client repeats it.

Clients repeat by their own rules, some of them dozens of times, whatever a header says. What counts as the same is key,
model and what the body says, in whatever order (Codex writes a map of it in another one each time) and streamed or not
(Claude Code asks once more without a stream); what is on record of it is a keyed digest.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.call import Call, Principal
from gateway.dialects.strict import written
from gateway.errors import Refused
from ledger.entry import format_time, parse_time

UNDELIVERED = frozenset({"refused_answer", "held", "unreadable", "upstream_cut", "failed"})
"""How a call ended that cost something and gave nothing out. Callers who left and people who stopped it are none."""
MOST = 1000
_FORMS = frozenset({"stream", "stream_options"})
"""Members that say in which form an answer comes, not which one."""


def digest_of(call: Call, principal: Principal, pseudonym: Callable[[str, str], str]) -> str:
    """Return what two requests have in common that are the same."""
    asked = {name: value for name, value in call.asked.fields.items() if name not in _FORMS}
    said = hashlib.sha256(repr((principal.key, call.dialect.name, call.asked.model)).encode())
    said.update(written(asked, ordered=True))
    return pseudonym("request", said.hexdigest())


class Memory:
    """What this process could not give out and has not on record yet, the latest thousand, as the row has it."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, str]] = {}

    def note(self, digest: str, call: str, at: str) -> None:
        self.known.pop(digest, None)
        self.known[digest] = {"call": call, "at": at}
        if len(self.known) > MOST:
            self.known.pop(next(iter(self.known)))


def require_new(
    known: Mapping[str, Any] | None, memory: Memory, window: int, at: datetime, digest: Callable[[], str]
) -> None:
    """Refuse a repetition.

    Args:
        known: the row of what was not given out.
        window: for how many seconds the same request is a repetition.
        digest: gives that of the request; not asked for while nothing is as young as that.

    Raises:
        Refused: repeated; names the first call.
    """
    since = format_time(at - timedelta(seconds=window))
    young = {key: one for key, one in {**memory.known, **(known or {})}.items() if one["at"] >= since}
    found = young.get(digest()) if young else None
    if found is None:
        return
    left = window - int((at - parse_time(found["at"])).total_seconds())
    raise Refused(
        "repeated",
        f"this request was made before as {found['call']}: it was charged, and its answer could not be given out "
        f"(/why/{found['call']} says why). It is not bought again for {left} s; change the request, or send "
        "`x-whyledger-repeat: allow` with it",
        stage=7,
        inputs={"first": found["call"], "seconds_left": left},
    )
