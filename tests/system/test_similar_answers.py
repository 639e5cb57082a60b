"""Answers to similar questions, in the running gateway: observed first, served once enough agreed, and never trusted
again after wrong ones. The embedding is a crude one, so that no model's files are needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from stage import Stage, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from test_similar import WIDTH, embed

from gateway.caches.similar import OnDemand, SimilarAnswers
from gateway.oversight import acts
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
        answers = OnDemand(lambda: SimilarAnswers(embed, width=WIDTH, seconds=1000))
        object.__setattr__(opened.gateway.ports, "similar", answers)
        # Of a hundred hits one would be verified, and by its id it could be any.
        monkeypatch.setattr("gateway.pipeline.similar.is_verified", lambda call, percent: percent == 100)
        yield opened


def configure(on: Stage, mode: str, percent: int = 1) -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    said = f"intent: support, similar: {{mode: {mode}, threshold: 0.75, verify_percent: {percent}}},"
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
    assert f"No provider was asked: the answer of {closed['similar']['source_ref']} to a question alike to" in said
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
    said = "intent: claude, similar: {mode: serve, threshold: 0.75, verify_percent: 1},"
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
