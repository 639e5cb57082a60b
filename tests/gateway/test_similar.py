"""Which calls may be answered by the answer to a similar question, and what the cache finds."""

import asyncio
import json
import zlib
from typing import Any

import numpy as np
import pytest
from test_targets import plan

from gateway.caches.similar import CannotEmbed, SimilarAnswers
from gateway.call import Arrival, Call, Plan, Principal
from gateway.configuration.model import Similar
from gateway.dialects.openai_answer import plain_text_of
from gateway.pipeline.parse import parse
from gateway.pipeline.ports import Cached
from gateway.rules.similar import Question, is_trusted, is_verified, question_of

PLAN = plan()._replace(similar=Similar(mode="serve", embedding="local"))
ME = Principal(key="k", environment="prod", workflow="w", status="active")
WIDTH = 512


def embed(text: str) -> Any:
    """Groups of three letters, counted: crude, and an embedding all the same."""
    vector = np.zeros(WIDTH, np.float32)
    for place in range(len(text) - 2):
        vector[zlib.crc32(text[place : place + 3].lower().encode()) % WIDTH] += 1
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
        call(temperature=0.5), call(headers={"x-whyledger-subject": "customer-1"}), call(max_tokens=5), call(stream=True),
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
        {"n": 2}, {"tools": [{"type": "function", "function": {"name": "f"}}]},
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
    assert plain_text_of(body) is None


def cached(name: str = "call_a", text: str = "By post.") -> Cached:
    body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    return Cached(call=name, content_type="application/json", body=body, cost=5)


def here() -> SimilarAnswers:
    return SimilarAnswers(lambda: embed)


def kept(cache: SimilarAnswers, text: str, *, ttl: int = 60, partition: str = "p") -> None:
    cache.keep(partition, text, embed(text), cached(f"call_{text}"), ttl=ttl)


def look(cache: SimilarAnswers, text: str, *, partition: str = "p", threshold: float = 0.75) -> str | None:
    near = cache.near(partition, embed(text), text, threshold)
    return near.cached.call if near else None


def test_a_similar_question_is_found_and_one_that_differs_in_what_matters_is_not() -> None:
    cache = here()
    kept(cache, "How do I return a parcel to the shop?")
    assert look(cache, "How can I return a parcel to the shop?") == "call_How do I return a parcel to the shop?"
    assert look(cache, "How do I not return a parcel to the shop?") is None
    assert look(cache, "How do I return 3 parcels to the shop?") is None
    assert look(cache, "How do I return a parcel to the shop?", partition="q") is None
    assert look(cache, "Something else entirely, about the weather") is None


def test_what_is_too_old_is_not_found() -> None:
    cache = here()
    kept(cache, "How do I return a parcel?", ttl=-1)
    assert look(cache, "How do I return a parcel?") is None


def test_a_question_whose_answer_depends_on_the_day_is_neither_looked_up_nor_kept() -> None:
    assert asyncio.run(here().takes("How do I return a parcel?"))
    assert not asyncio.run(here().takes("What is the weather today?"))


def test_the_older_half_of_the_answers_goes_when_they_and_the_questions_take_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = here()
    monkeypatch.setattr("gateway.caches.similar.MAX_BYTES", 8 * (len(cached().body) + 4 * WIDTH + 28))
    questions = [
        f"How do I return a {word}?" for word in ("lamp", "chair", "table", "carpet", "mirror", "clock", "bed")
    ]
    for question in [*questions, "Where is the shop?", "Who pays for the post?"]:
        kept(cache, question)
    assert [look(cache, one) for one in questions[:4]] == [None] * 4
    assert look(cache, "Who pays for the post?") == "call_Who pays for the post?"


@pytest.mark.parametrize(("other", "agrees"), [("30 days to return it!", True), ("14 days to return it.", False)])
def test_answers_agree_if_they_are_alike_and_no_number_differs(other: str, agrees: bool) -> None:
    texts = "You have 30 days to return it.", f"You have {other}"
    assert here().agree([embed(one) for one in texts], *texts) is agrees


def test_vectors_of_whatever_length_are_held_against_those_of_the_same_width() -> None:
    cache = here()
    cache.keep("p", "How do I return a parcel?", [3.0, 4.0], cached("call_a"), ttl=60)
    cache.keep("q", "How do I return a parcel?", [0.0, 9.0, 0.0], cached("call_b"), ttl=60)
    found = cache.near("p", [30.0, 40.0], "How do I return a parcel?", 0.85)
    assert found
    assert (found.cached.call, found.permille) == ("call_a", 1000)
    assert cache.near("p", [4.0, -3.0], "How do I return a parcel?", 0.85) is None


def test_a_text_that_the_model_cannot_read_has_no_vector() -> None:
    def too_long(_text: str) -> Any:
        raise ValueError("too long")

    assert asyncio.run(SimilarAnswers(lambda: too_long).embed(("a question", "another"))) == [None, None]


def test_where_nothing_can_embed_calls_go_on_and_it_is_tried_once() -> None:
    tries = []

    def load() -> Any:
        tries.append(1)
        raise CannotEmbed("the extra is missing")

    cache = SimilarAnswers(load)

    async def twice() -> list[Any]:
        return [*await cache.embed(("a",)), *await cache.embed(("a",))]

    assert asyncio.run(twice()) == [None, None]
    assert len(tries) == 1
    assert asyncio.run(cache.takes("How do I return a parcel?")) is False


def test_what_a_stream_said_is_its_text() -> None:
    events = [{"choices": [{"delta": {"content": one}}]} for one in ("By ", "post.")] + [{"choices": [], "usage": {}}]
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events) + b"data: [DONE]\n\n"
    assert plain_text_of(body) == "By post."
    assert plain_text_of(b"data: {]") is None
