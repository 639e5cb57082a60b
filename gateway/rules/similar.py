"""Which calls may be answered by the answer to a similar one, and what has to be the same for that. Pure.

Everything but the words of the question must be equal: environment, workflow, route, the model that is asked first,
person, and every other member of the request, so system prompt and settings too. Calls with tools, images, a dialogue
or a stream are never looked up, and the cache takes no question whose answer depends on the day.
"""

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from classifiers.similarity.trust import may_serve
from gateway.call import Call, Plan, Principal
from gateway.dialects.openai_chat import CHAT

CONFIDENCE = 0.99
"""Above the usual 0.95, because the counts are looked at again and again."""
MOST_CHARACTERS = 2000


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
    asked = call.asked
    if plan.similar is None or not keep or call.dialect is not CHAT or asked.stream or asked.tools or asked.choices > 1:
        return None
    messages = asked.fields["messages"]
    rest = [one for one in messages if one.get("role") not in ("system", "developer")]
    text = rest[0].get("content") if len(rest) == 1 and messages[-1] is rest[0] else None
    if not isinstance(text, str) or rest[0].get("role") != "user" or not 0 < len(text) <= MOST_CHARACTERS:
        return None
    others = {**asked.fields, "messages": [*messages[:-1], {**rest[0], "content": ""}]}
    first = plan.targets[0]
    parts = principal.environment, principal.workflow, plan.route, first.provider, first.model, call.subject_id
    said = orjson.dumps(others, option=orjson.OPT_SORT_KEYS)
    return Question(hashlib.sha256(repr(parts).encode() + said).hexdigest(), text)


def is_verified(call: str, percent: int) -> bool:
    """Tell whether a hit is verified: the model is asked all the same. Anybody with the id can tell."""
    return int(hashlib.sha256(call.encode()).hexdigest()[:8], 16) % 100 < percent


@lru_cache(maxsize=4096)
def is_trusted(verified: int, wrong: int) -> bool:
    """Tell whether the verified hits show that few enough are wrong: 228 with none wrong do."""
    return may_serve(verified, wrong, confidence=CONFIDENCE)


def answer_in(body: bytes) -> str | None:
    """Return the text of a whole answer; None where it has none, or is no plain text."""
    try:
        value: Any = orjson.loads(body)
        message = value["choices"][0]["message"]
    except (ValueError, LookupError, TypeError):
        return None
    text = message.get("content") if isinstance(message, dict) else None
    return text if isinstance(text, str) and text else None
