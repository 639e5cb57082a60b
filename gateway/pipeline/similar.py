"""The look-up of an answer to a similar question: what a call that has been opened begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.call import Call, Opened, Plan, Principal
from gateway.configuration.model import Similar
from gateway.dialects.openai_answer import plain_text_of
from gateway.pipeline.attempt import Tries
from gateway.pipeline.embedding import embedded
from gateway.pipeline.ports import Cached, Near, Ports, SimilarCache
from gateway.rules.similar import MOST_CHARACTERS, Question, is_verified, question_of


@dataclass(frozen=True, slots=True)
class Alike:
    """What a look-up found, and what may become of it."""

    question: Question
    vector: Any
    near: Near | None
    settings: Similar
    served: Cached | None
    """What is given out instead of asking the model."""
    cache: SimilarCache

    @property
    def facts(self) -> dict[str, Any] | None:
        """Return what was found, as the entry states it; None where there was nothing."""
        if self.near is None:
            return None
        return {"source_ref": self.near.cached.call, "permille": self.near.permille, "served": self.served is not None}

    async def compared(self, body: bytes, plan: Plan, tries: Tries, ports: Ports) -> Mapping[str, Any] | None:
        """As `facts`, with whether the fresh answer agrees with the one that was found."""
        facts, near = self.facts, self.near
        if facts is None or near is None:
            return None
        fresh, found = plain_text_of(body), plain_text_of(near.cached.body)
        if not fresh or not found or max(len(fresh), len(found)) > MOST_CHARACTERS:
            return facts
        vectors = await _vectors((fresh, found), plan, tries, ports)
        if any(one is None for one in vectors):
            return facts
        return facts | {"agreed": self.cache.agree(vectors, fresh, found)}

    def keep(self, answer: Cached) -> None:
        """Keep the answer of this call for later ones."""
        self.cache.keep(self.question.partition, self.question.text, self.vector, answer, ttl=self.settings.ttl)


async def look_up(
    call: Call, principal: Principal, plan: Plan, opened: Opened, keep: bool, tries: Tries, ports: Ports
) -> Alike | None:
    """Return what was found for a call; None where nothing is looked up."""
    question, cache = question_of(call, principal, plan, keep=keep), ports.similar
    if question is None or plan.similar is None or cache is None or not await cache.takes(question.text):
        return None
    vector = (await _vectors((question.text,), plan, tries, ports))[0]
    if vector is None:
        return None
    near = cache.near(question.partition, vector, question.text, plan.similar.threshold)
    serves = opened.serves_similar and near is not None and not is_verified(call.id, plan.similar.verify_percent)
    return Alike(question, vector, near, plan.similar, near.cached if serves and near else None, cache)


async def _vectors(texts: Sequence[str], plan: Plan, tries: Tries, ports: Ports) -> Sequence[Any]:
    """Return a vector for each text, None for one that has none."""
    assert ports.similar is not None
    if plan.embedder is None:
        return await ports.similar.embed(texts)
    return await embedded(texts, plan.embedder, plan, tries, ports) or [None] * len(texts)
