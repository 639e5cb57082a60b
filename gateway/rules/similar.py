"""Which calls may be answered by the answer to a similar one, and what has to be the same for that. Pure.

Everything but the words of the question must be equal: environment, workflow, route, the model that is asked first,
person, and every other member of the request, so system prompt, settings and whether it streams. Calls with tools,
images or a dialogue are never looked up, and the cache takes no question whose answer depends on the day.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple

from classifiers.similarity.trust import may_serve
from gateway.call import Call, Plan, Principal
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.strict import written

CONFIDENCE = 0.99
"""Above the usual 0.95, because the counts are looked at again and again."""
MOST_CHARACTERS = 2000
MOST_BYTES = 4 * MOST_CHARACTERS


class Question(NamedTuple):
    """What is looked up."""

    partition: str
    """Digest of all that must be equal."""
    text: str


def question_of(call: Call, principal: Principal, plan: Plan, *, keep: bool) -> Question | None:
    """Return what to look up; None for a call that is never answered so.

    Args:
        keep: contents of the call may be kept.
    """
    text = text_of(call) if plan.similar and keep else None
    if text is None:
        return None
    messages = call.asked.fields["messages"]
    others = {**call.asked.fields, "messages": [*messages[:-1], {**messages[-1], "content": ""}]}
    first = plan.targets[0]
    parts = principal.environment, principal.workflow, plan.route, first.provider, first.model, call.subject_id
    embedder = (plan.embedder.provider, plan.embedder.model) if plan.embedder else ()
    said = written(others, ordered=True)
    return Question(hashlib.sha256(repr((*parts, embedder)).encode() + said).hexdigest(), text)


def text_of(call: Call) -> str | None:
    """Return the one plain question that a call is; None for any other."""
    asked = call.asked
    if call.dialect is not CHAT or asked.tools or asked.choices > 1:
        return None
    messages = asked.fields["messages"]
    rest = [one for one in messages if one.get("role") not in ("system", "developer")]
    text = rest[0].get("content") if len(rest) == 1 and messages[-1] is rest[0] else None
    if not isinstance(text, str) or rest[0].get("role") != "user" or not 0 < len(text) <= MOST_CHARACTERS:
        return None
    return text


def most_embedded(text: str) -> int:
    """Return the most tokens that are embedded for a call: its question, and two answers that are compared."""
    return len(text.encode()) + 2 * MOST_BYTES


def is_verified(call: str, percent: int) -> bool:
    """Tell whether a hit is verified: the model is asked all the same. Anybody with the id can tell."""
    return int(hashlib.sha256(call.encode()).hexdigest()[:8], 16) % 100 < percent


@lru_cache(maxsize=4096)
def is_trusted(verified: int, wrong: int) -> bool:
    """Tell whether the verified hits show that few enough are wrong: 228 with none wrong do."""
    return may_serve(verified, wrong, confidence=CONFIDENCE)
