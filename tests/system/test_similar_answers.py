"""Answers to similar questions, in the running gateway: observed first, served once enough agreed, and never trusted
again after wrong ones. The embedding is a crude one, so that no model's files are needed."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import formats
import openai
import pytest
from stage import DONE, USAGE, Stage, chunk, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from test_similar import embed

from gateway.caches.similar import SimilarAnswers
from gateway.oversight import acts
from gateway.pricing.money import PriceRow, Usage, cost
from gateway.rules import similar
from gateway.state.rows import similar_row
from gateway.web.api import explain

pytestmark = pytest.mark.slow
FIRST, ALIKE, OTHER = (
    "How do I return a parcel to the shop?", "How can I return a parcel to the shop?",
    "How do I not return a parcel to the shop?",
)  # fmt: skip


@pytest.fixture
def on(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    # Three verified hits stand for 228.
    monkeypatch.setattr("gateway.pipeline.open.is_trusted", lambda verified, wrong: verified >= 3 and not wrong)
    with stage(tmp_path_factory.mktemp("similar") / "home", max_calls=1000) as opened:
        object.__setattr__(opened.gateway.ports, "similar", SimilarAnswers(lambda: embed))
        # Of a hundred hits one would be verified, and by its id it could be any.
        monkeypatch.setattr("gateway.pipeline.similar.is_verified", lambda call, percent: percent == 100)
        yield opened


def configure(on: Stage, mode: str, percent: int = 1, *, embedding: str = "local") -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    said = f"intent: support, similar: {{embedding: {embedding}, mode: {mode}, threshold: 0.75, verify_percent: {percent}}},"
    acts.activate(on.installation, on.person("ada"), text.replace("intent: support,", said), "for the test")


def saying(*texts: str) -> Any:
    turns = iter(texts)

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion(next(turns)))

    return answer


def word(on: Stage, text: str, **more: Any) -> tuple[str, str]:
    """Ask, and return what the cache did and what was answered."""
    raw = on.client().chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": text}], **more
    )
    return raw.headers["x-whyledger-cache"], str(raw.parse().choices[0].message.content)


def test_a_question_in_which_something_is_replaced_is_not_embedded(on: Stage) -> None:
    """What no provider may get is not looked up by a model of one either."""
    configure(on, "observe", embedding="model-e")
    asked = "How may I return a parcel, I am ana.mora@mine.example?"
    word(on, asked)
    assert any("ana.mora" in str(one["body"]) for one in on.upstream.seen if one["path"].endswith("/embeddings"))
    on.put_into_force(on.text() + "policies:\n  stays: {replaces: {personal_data: any}, effect: redact}\n")
    before = len(on.upstream.seen)
    word(on, asked)
    assert [one["path"] for one in on.upstream.seen[before:]] == ["/v1/chat/completions"]


def test_what_would_have_been_served_is_observed_and_held_against_the_fresh_answer(on: Stage) -> None:
    configure(on, "observe")
    on.upstream.answer = saying("You have 30 days.", "You have 30 days!", "You have 14 days.")
    assert [word(on, text)[0] for text in (FIRST, ALIKE, "How could I return a parcel to the shop?")] == ["off"] * 3
    _, alike, wrong = on.entries("call.closed")
    source = on.entries("call.closed")[0].call
    assert (alike.facts["similar"]["source_ref"], alike.facts["similar"]["served"]) == (source, False)
    assert [one.facts["similar"]["agreed"] for one in (alike, wrong)] == [True, False]
    assert on.installation.reader.state(similar_row("agent", "support")) == {"verified": 2, "wrong": 1}
    assert len(on.upstream.seen) == 3
    assert "did not agree with it" in repr(explain(on.installation, str(wrong.call)))


def test_an_answer_is_served_once_enough_agreed_and_its_call_is_on_record(on: Stage) -> None:
    configure(on, "serve")
    on.upstream.answer = saying(*["You have 30 days."] * 4, "not asked")
    for text in (FIRST, ALIKE, FIRST + " Please.", ALIKE + " Please."):
        assert word(on, text) == ("off", "You have 30 days.")
    assert word(on, ALIKE) == ("similar", "You have 30 days.")
    closed, opened = on.entries("call.closed")[-1].facts, on.entries("call.opened")[-1].facts
    assert (closed["cache"], closed["cost_nano_eur"], closed["saved_nano_eur"] > 0) == ("similar", 0, True)
    assert closed["similar"]["served"] is True
    assert opened["similar"] == {"mode": "serve", "verified": 3, "wrong": 0, "serves": True}
    said = explain(on.installation, str(on.entries("call.closed")[-1].call)).questions[5].answer
    assert (
        f"No provider was asked for an answer: the answer of {closed['similar']['source_ref']} to a question alike to"
        in said
    )
    assert word(on, OTHER) == ("off", "not asked")  # one word makes it another question


def test_a_share_of_what_could_be_served_is_asked_all_the_same_and_a_wrong_one_ends_the_trust(on: Stage) -> None:
    configure(on, "serve", percent=100)
    on.upstream.answer = saying(*["You have 30 days."] * 4, "You have 14 days.", "You have 14 days.")
    for text in (FIRST, ALIKE, FIRST + " Please.", ALIKE + " Please.", FIRST):
        word(on, text)
    assert on.entries("call.opened")[-1].facts["similar"]["serves"] is True
    assert on.entries("call.closed")[-1].facts["similar"]["agreed"] is False
    word(on, ALIKE)
    assert on.entries("call.opened")[-1].facts["similar"] == {
        "mode": "serve",
        "verified": 4,
        "wrong": 1,
        "serves": False,
    }


def test_what_is_kept_of_a_translated_answer_is_what_the_caller_got(on: Stage) -> None:
    """The provider speaks another format than whoever asks next."""
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    said = "intent: claude, similar: {embedding: local, mode: serve, threshold: 0.75, verify_percent: 1},"
    acts.activate(on.installation, on.person("ada"), text.replace("intent: claude,", said), "for the test")
    client = on.client().chat.completions
    texts = (FIRST, ALIKE, FIRST + " Please.", ALIKE + " Please.", FIRST)
    answers = [
        client.with_raw_response.create(model="claude", messages=[{"role": "user", "content": one}]) for one in texts
    ]
    assert [one.facts["similar"]["agreed"] for one in on.entries("call.closed")[1:4]] == [True] * 3
    assert answers[-1].headers["x-whyledger-cache"] == "similar"
    assert {one.parse().choices[0].message.content for one in answers} == {"hello"}


def test_people_and_calls_whose_contents_are_not_kept_are_never_mixed(on: Stage) -> None:
    configure(on, "observe")
    on.upstream.answer = saying(*["You have 30 days."] * 3)
    word(on, FIRST)
    word(on, ALIKE, extra_headers={"x-whyledger-subject": "customer-1"})
    word(on, ALIKE, extra_headers={"x-whyledger-content": "none"})
    assert not [one for one in on.entries("call.closed") if "similar" in one.facts]


def test_the_state_is_what_the_entries_say(on: Stage) -> None:
    from gateway.store.rebuild import replay

    configure(on, "observe")
    on.upstream.answer = saying("You have 30 days.", "You have 30 days.")
    word(on, FIRST)
    word(on, ALIKE)
    rebuilt, _ = replay(on.installation.reader)
    assert rebuilt[similar_row("agent", "support")] == {"verified": 1, "wrong": 0}
    assert json.dumps(rebuilt[similar_row("agent", "support")])
    assert similar.is_trusted(228, 0)


# Vectors from an endpoint


def with_vectors(*texts: str, broken: Response | None = None) -> Any:
    """An upstream that answers with these texts in turn, and with crude vectors where it is asked for some."""
    turns = iter(texts)

    async def answer(request: Request, body: dict[str, Any]) -> Response:
        if not request.url.path.endswith("/embeddings"):
            return (
                formats.streamed(chunks(next(turns))) if body.get("stream") else JSONResponse(completion(next(turns)))
            )
        if broken is not None:
            return broken
        vectors = [embed(one) * 3 for one in body["input"]]  # not every endpoint gives them of length one
        listed = [{"index": at, "embedding": one.tolist()} for at, one in enumerate(vectors)]
        return JSONResponse(
            {"data": listed[::-1], "model": "model-e", "usage": {"prompt_tokens": 7, "total_tokens": 7}}
        )

    return answer


def chunks(text: str) -> list[bytes]:
    return [*(chunk({"content": one}) for one in text), chunk({}, "stop"), USAGE, DONE]


def embedded(on: Stage) -> list[dict[str, Any]]:
    return [one["body"] for one in on.upstream.seen if "input" in one["body"]]


def test_vectors_of_an_endpoint_find_answers_and_cost_what_they_cost(on: Stage) -> None:
    configure(on, "serve", embedding="model-e")
    on.upstream.answer = with_vectors(*["You have 30 days."] * 4)
    for text in (FIRST, ALIKE, FIRST + " Please.", ALIKE + " Please."):
        assert word(on, text) == ("off", "You have 30 days.")
    assert word(on, ALIKE) == ("similar", "You have 30 days.")
    assert [len(one["input"]) for one in embedded(on)] == [1, 1, 2, 1, 2, 1, 2, 1]
    opened, closed = on.entries("call.opened")[-1].facts, on.entries("call.closed")[-1].facts
    assert opened["similar"]["embedder"] == {"provider": "upstream", "model": "model-e"}
    assert opened["reserved_nano_eur"] > opened["similar"]["reserved_nano_eur"] > 0
    (looked,) = closed["look_ups"]
    row = PriceRow("model-e", 1_000_000, 1_000_000, 1_000_000, 0, "test")
    expected = cost(Usage(input=7), row, on.gateway.ports.rules.now.rate)
    assert (looked["outcome"], looked["usage"]["input_tokens"]) == ("answered", 7)
    assert closed["cost_nano_eur"] == looked["cost_nano_eur"] == expected
    assert (closed["cost_state"], closed["saved_nano_eur"] > expected) == ("provider_reported", True)
    told = repr(explain(on.installation, str(on.entries("call.closed")[-1].call)).questions[5].answer)
    assert "To find an answer to a similar question, model-e (upstream) was asked for vectors: " in told


def test_a_call_that_asks_the_model_too_costs_both_and_leaves_nothing_reserved(on: Stage) -> None:
    configure(on, "observe", embedding="model-e")
    on.upstream.answer = with_vectors("You have 30 days.", "You have 30 days.")
    word(on, FIRST)
    word(on, ALIKE)
    alone, compared = (one.facts for one in on.entries("call.closed"))
    assert [len(one["look_ups"]) for one in (alone, compared)] == [1, 2]
    assert compared["similar"]["agreed"] is True
    assert compared["cost_nano_eur"] - alone["cost_nano_eur"] == alone["look_ups"][0]["cost_nano_eur"]
    spent = {
        row["row"]: on.installation.reader.state(row["row"]) for row in on.entries("call.opened")[0].facts["budgets"]
    }
    total = alone["cost_nano_eur"] + compared["cost_nano_eur"]
    assert {(row["spent"], row["reserved"]) for row in spent.values() if row} == {(total, 0)}


@pytest.mark.parametrize(
    ("broken", "outcome", "billed"),
    [
        (JSONResponse({"error": {"message": "no"}}, 500), "http_500", "no"),
        (JSONResponse({"data": [{"index": 0, "embedding": []}]}), "unreadable", "unknown"),
        (JSONResponse({"data": [{"index": 0, "embedding": ["x"]}]}), "unreadable", "unknown"),
        (JSONResponse({"data": [{"index": 0, "embedding": [0.0]}]}), "unreadable", "unknown"),
        (JSONResponse({"data": []}), "unreadable", "unknown"),
        (Response(b"[", media_type="application/json"), "unreadable", "unknown"),
    ],
)  # fmt: skip
def test_without_vectors_the_model_is_asked_and_what_may_have_been_billed_is_charged(
    on: Stage, broken: Response, outcome: str, billed: str
) -> None:
    configure(on, "observe", embedding="model-e")
    on.upstream.answer = with_vectors("You have 30 days.", broken=broken)
    assert word(on, FIRST) == ("off", "You have 30 days.")
    closed = on.entries("call.closed")[-1].facts
    assert [(one["outcome"], one["billed"]) for one in closed["look_ups"]] == [(outcome, billed)]
    assert (closed["look_ups"][0]["cost_nano_eur"] > 0) is (billed == "unknown")
    assert closed["cost_state"] == ("upper_bound" if billed == "unknown" else "provider_reported")
    assert not [one for one in closed["checks"] if one["id"] == "within-reservation"]


def test_a_call_whose_model_failed_may_be_repeated_although_its_look_up_cost_something(on: Stage) -> None:
    configure(on, "observe", embedding="model-e")
    works = with_vectors("You have 30 days.")

    async def failing(request: Request, body: dict[str, Any]) -> Response:
        return await works(request, body) if "input" in body else JSONResponse({"error": {"message": "no"}}, 400)

    on.upstream.answer = failing
    with pytest.raises(openai.BadRequestError):
        word(on, FIRST)
    assert on.entries("call.closed")[-1].facts["cost_nano_eur"] > 0
    on.upstream.answer = works
    assert word(on, FIRST) == ("off", "You have 30 days.")


def test_what_may_not_go_where_the_vectors_are_made_is_not_looked_up_and_why_says_so(on: Stage) -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    text = (
        text.replace("  upstream: {base_url", "  upstream: {region: eu, base_url")
        .replace(
            "  second: {base_url",
            '  abroad: {region: us, base_url: "http://127.0.0.1:9/v1", models: ["abroad-*"], '
            "price: {input: 1, output: 0}}\n  second: {base_url",
        )
        .replace("  agent: {purpose: test,", "  agent: {purpose: test, regions: eu,")
    )
    acts.activate(on.installation, on.person("ada"), text, "for the test")
    configure(on, "serve", embedding="abroad-e")
    acts.release(on.installation, on.person("ada"), "agent", "for the test")
    on.upstream.answer = with_vectors("You have 30 days.")
    assert word(on, FIRST) == ("off", "You have 30 days.")
    opened, closed = on.entries("call.opened")[-1], on.entries("call.closed")[-1]
    assert "similar" not in opened.facts
    assert "look_ups" not in closed.facts
    said = explain(on.installation, str(closed.call)).questions[5].answer
    assert "No answer to a similar question was looked for: provider abroad is in us; this workflow allows eu." in said


@pytest.mark.parametrize("embedding", ["local", "model-e"])
def test_a_stream_is_given_again_as_a_stream(on: Stage, embedding: str) -> None:
    configure(on, "serve", embedding=embedding)
    on.upstream.answer = with_vectors(*["You have 30 days."] * 4)

    def streamed(text: str) -> tuple[str, str]:
        raw = on.client().chat.completions.with_raw_response.create(
            model="support", messages=[{"role": "user", "content": text}], stream=True
        )
        return raw.headers["x-whyledger-cache"], "".join(
            one.choices[0].delta.content or "" for one in raw.parse() if one.choices
        )

    for text in (FIRST, ALIKE, FIRST + " Please.", ALIKE + " Please."):
        assert streamed(text) == ("off", "You have 30 days.")
    assert streamed(ALIKE) == ("similar", "You have 30 days.")
    assert [one.facts.get("similar", {}).get("agreed") for one in on.entries("call.closed")] == [
        None,
        *[True] * 3,
        None,
    ]


def test_a_person_who_stops_a_call_while_it_looks_is_heard(on: Stage) -> None:
    configure(on, "observe", embedding="model-e")
    vectors = with_vectors("not asked")

    async def stopping(request: Request, body: dict[str, Any]) -> Response:
        if "input" in body:
            await asyncio.to_thread(
                acts.stop, on.installation, on.person("ada"), ("workflow:agent", None), "for the test"
            )
            await asyncio.sleep(1.5)
        return await vectors(request, body)

    on.upstream.answer = stopping
    with pytest.raises(openai.APIStatusError):
        word(on, FIRST)
    assert on.entries("call.closed")[-1].facts["result"] == "stopped"
    assert not [one for one in on.upstream.seen if "messages" in one["body"]]
