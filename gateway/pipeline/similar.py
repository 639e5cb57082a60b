"""The look-up of an answer to a similar question: the first attempt of a call that has been opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.call import Call, Opened, Plan, Principal
from gateway.configuration.model import Similar
from gateway.pipeline.ports import Cached, Looked, Ports, SimilarCache
from gateway.rules.similar import Question, answer_in, is_verified, question_of


@dataclass(frozen=True, slots=True)
class Alike:
    """What a look-up found, and what may become of it."""

    question: Question
    looked: Looked
    settings: Similar
    served: Cached | None
    """What is given out instead of asking the model."""
    cache: SimilarCache

    @property
    def facts(self) -> dict[str, Any] | None:
        """Return what was found, as the entry states it; None where there was nothing."""
        near = self.looked.near
        if near is None:
            return None
        return {"source_ref": near.cached.call, "permille": near.permille, "served": self.served is not None}

    async def compared(self, body: bytes) -> Mapping[str, Any] | None:
        """As `facts`, with whether the fresh answer agrees with the one that was found."""
        facts, near = self.facts, self.looked.near
        if facts is None or near is None:
            return None
        fresh, found = answer_in(body), answer_in(near.cached.body)
        agreed = await self.cache.agree(fresh, found) if fresh and found else None
        return facts if agreed is None else facts | {"agreed": agreed}

    def keep(self, answer: Cached) -> None:
        """Keep the answer of this call for later ones."""
        self.cache.keep(self.question.partition, self.question.text, self.looked, answer, ttl=self.settings.ttl)


async def look_up(
    call: Call, principal: Principal, plan: Plan, opened: Opened, keep: bool, ports: Ports
) -> Alike | None:
    """Return what was found for a call; None where nothing is looked up."""
    question = question_of(call, principal, plan, keep=keep) if ports.similar else None
    if question is None or plan.similar is None or ports.similar is None:
        return None
    looked = await ports.similar.look(question.partition, question.text, plan.similar.threshold)
    verified = is_verified(call.id, plan.similar.verify_percent)
    serves = opened.serves_similar and looked.near is not None and not verified
    served = looked.near.cached if serves and looked.near else None
    return Alike(question, looked, plan.similar, served, ports.similar)
