"""Which calls may be answered by the answer to a similar question, and what the cache finds."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from test_targets import plan

from gateway.caches.similar import CannotEmbed, OnDemand, SimilarAnswers
from gateway.call import Arrival, Call, Plan, Principal
from gateway.configuration.model import Similar
from gateway.pipeline.parse import parse
from gateway.pipeline.ports import Cached, Looked
from gateway.rules.similar import Question, answer_in, is_trusted, is_verified, question_of

PLAN = plan()._replace(similar=Similar(mode="serve"))
ME = Principal(key="k", environment="prod", workflow="w", status="active")
WIDTH = 512


def embed(text: str) -> Any:
    """Groups of three letters, counted: crude, and an embedding all the same."""
    vector = np.zeros(WIDTH, np.float32)
    for place in range(len(text) - 2):
        vector[hash(text[place : place + 3].lower()) % WIDTH] += 1
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def call(text: Any = "How do I return a parcel?", headers: dict[str, str] | None = None, **more: Any) -> Call:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    body = {"model": "support", "messages": messages} | more
    return parse(Arrival("call_1", headers or {}, json.dumps(body).encode()))


def asked(one: Call, *, of: Principal = ME, by: Plan = PLAN, keep: bool = True) -> Question | None:
    return question_of(one, of, by, keep=keep)


def test_two_wordings_of_a_question_stand_in_one_partition() -> None:
    one, other = asked(call()), asked(call("How can I send a parcel back?"))
    assert one
    assert other
    assert (one.partition, one.text) == (other.partition, "How do I return a parcel?")


@pytest.mark.parametrize(
    "other",
    [
        call(temperature=0.5), call(headers={"x-whyledger-subject": "customer-1"}), call(max_tokens=5),
        call(messages=[{"role": "system", "content": "Be long."}, {"role": "user", "content": "How do I return a parcel?"}]),
    ],
)  # fmt: skip
def test_whatever_else_differs_is_another_partition(other: Call) -> None:
    one, two = asked(call()), asked(other)
    assert one
    assert two
    assert one.partition != two.partition


def test_environment_workflow_route_and_model_are_never_mixed() -> None:
    others = [
        asked(call(), of=Principal(key="k", environment="dev", workflow="w", status="active")),
        asked(call(), of=Principal(key="k", environment="prod", workflow="v", status="active")),
        asked(call(), by=PLAN._replace(route="other")),
        asked(call(), by=PLAN._replace(targets=PLAN.targets[1:])),
    ]
    assert len({one.partition for one in [asked(call()), *others] if one}) == 5


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True}, {"n": 2}, {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"text": [{"type": "text", "text": "hi"}]}, {"text": "x" * 5000},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]},
    ],
)  # fmt: skip
def test_what_is_no_single_plain_question_is_never_looked_up(more: dict[str, Any]) -> None:
    assert asked(call(**more)) is None


def test_nothing_is_looked_up_where_the_route_or_the_contents_do_not_allow_it() -> None:
    assert asked(call(), by=PLAN._replace(similar=None)) is None
    assert asked(call(), keep=False) is None


def test_trust_needs_228_verified_hits_and_is_lost_by_wrong_ones() -> None:
    assert [is_trusted(227, 0), is_trusted(228, 0), is_trusted(228, 1), is_trusted(1000, 9)] == [
        False,
        True,
        False,
        True,
    ]


def test_the_share_that_is_verified_is_the_one_that_was_asked_for_and_can_be_recomputed() -> None:
    share = sum(is_verified(f"call_{number}", 5) for number in range(20_000)) / 20_000
    assert 0.04 < share < 0.06
    assert all(is_verified(f"call_{number}", 100) for number in range(100))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{"content":null}}]}'])
def test_an_answer_without_a_text_has_none(body: bytes) -> None:
    assert answer_in(body) is None


def cached(name: str = "call_a", text: str = "By post.") -> Cached:
    body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    return Cached(call=name, content_type="application/json", body=body, cost=5)


def kept(cache: SimilarAnswers | OnDemand, text: str, *, ttl: int = 60, partition: str = "p") -> None:
    looked = asyncio.run(cache.look(partition, text, 0.85))
    cache.keep(partition, text, looked, cached(f"call_{text}"), ttl=ttl)


def look(cache: SimilarAnswers | OnDemand, text: str, *, partition: str = "p", threshold: float = 0.75) -> str | None:
    near = asyncio.run(cache.look(partition, text, threshold)).near
    return near.cached.call if near else None


def test_a_similar_question_is_found_and_one_that_differs_in_what_matters_is_not() -> None:
    cache = SimilarAnswers(embed, width=WIDTH, seconds=1000)
    kept(cache, "How do I return a parcel to the shop?")
    assert look(cache, "How can I return a parcel to the shop?") == "call_How do I return a parcel to the shop?"
    assert look(cache, "How do I not return a parcel to the shop?") is None
    assert look(cache, "How do I return 3 parcels to the shop?") is None
    assert look(cache, "How do I return a parcel to the shop?", partition="q") is None
    assert look(cache, "Something else entirely, about the weather") is None


def test_what_is_too_old_is_not_found() -> None:
    cache = SimilarAnswers(embed, width=WIDTH, seconds=1000)
    kept(cache, "How do I return a parcel?", ttl=-1)
    assert look(cache, "How do I return a parcel?") is None


def test_a_question_whose_answer_depends_on_the_day_is_neither_looked_up_nor_kept() -> None:
    cache = SimilarAnswers(embed, width=WIDTH, seconds=1000)
    kept(cache, "What is the weather today?")
    assert asyncio.run(cache.look("p", "What is the weather today?", 0.75)) == Looked(None, None)


def test_the_older_half_of_the_answers_goes_when_they_and_the_questions_take_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = SimilarAnswers(embed, width=WIDTH, seconds=1000)
    monkeypatch.setattr("gateway.caches.similar.MAX_BYTES", 8 * (len(cached().body) + 4 * WIDTH + 28))
    questions = [
        f"How do I return a {word}?" for word in ("lamp", "chair", "table", "carpet", "mirror", "clock", "bed")
    ]
    for question in [*questions, "Where is the shop?", "Who pays for the post?"]:
        kept(cache, question)
    assert [look(cache, one) for one in questions[:4]] == [None] * 4
    assert look(cache, "Who pays for the post?") == "call_Who pays for the post?"


def test_answers_agree_if_they_are_alike_and_no_number_differs() -> None:
    cache = SimilarAnswers(embed, width=WIDTH, seconds=1000)
    assert asyncio.run(cache.agree("You have 30 days to return it.", "You have 30 days to return it!"))
    assert asyncio.run(cache.agree("You have 30 days to return it.", "You have 14 days to return it.")) is False


def test_a_text_that_the_model_cannot_read_is_not_looked_up() -> None:
    def too_long(_text: str) -> Any:
        raise ValueError("too long")

    cache = SimilarAnswers(too_long, width=WIDTH, seconds=1000)
    kept(cache, "a question")
    assert look(cache, "a question") is None
    assert asyncio.run(cache.agree("a", "a")) is None


def test_where_nothing_can_embed_calls_go_on_and_it_is_tried_once() -> None:
    tries = []

    def load() -> SimilarAnswers:
        tries.append(1)
        raise CannotEmbed("the extra is missing")

    cache = OnDemand(load)

    async def twice() -> list[Looked]:
        return [await cache.look("p", "a", 0.85), await cache.look("p", "a", 0.85)]

    assert asyncio.run(twice()) == [Looked(None, None)] * 2
    assert len(tries) == 1
