"""Six streams that contradict what was declared, and six look-alikes: all twelve right."""

from typing import Any

import pytest

from classifiers.contradictions import NAMED, Seen, Tally, signals
from classifiers.facts import answered
from classifiers.law.records import vocabulary


def seen(prompt: str = "", answer: str = "", *, tools: tuple[str, ...] = (), checks: tuple[str, ...] = ()) -> Seen:
    return Seen(prompt=prompt, answer=answer, tools=tools, checks=checks)


def raised(facts: dict[str, Any], calls: list[Seen]) -> list[str]:
    answers = answered(vocabulary(), facts, complete=True)
    tally = Tally(answers)
    for at, one in enumerate(calls):
        tally.add(f"call_{at}", one)
    return [signal.name for signal, _, _ in tally.raised()]


CV = "Summarise: Curriculum vitae of J. Doe. Work experience: six years at a bakery. Education: degree in chemistry. Skills: Excel."
STREAMS = {
    "scores_of_people": [
        seen("compare", '{"candidate": "A", "score": 71}'),
        seen("compare", "Applicant B: 8/10"),
        seen("x", "The employee gets a rating: 4"),
    ],
    "cv_content": [
        seen(CV),
        seen("Extract dates. I am applying as a nurse. My CV: work experience, education, notice period"),
        seen("Translate this cover letter: I worked for a bank. My skills: SQL."),
    ],
    "sends_by_itself": [
        seen(tools=("send_email",)),
        seen(tools=("send_message", "lookup")),
        seen(tools=("post_reply",)),
    ],
    "emotions_of_workers": [
        seen("Assess the mood of this employee: I am fine."),
        seen("x", "The colleague seems frustrated with the plan."),
        seen("Rate the stress level of each team member from these mails; detect who is unhappy"),
    ],
    "model_not_declared": [seen(checks=("reported-model",))] * 3,
    "tool_not_granted": [
        seen(checks=("granted-tools",)),
        seen(checks=("granted-tool-calls",)),
        seen(checks=("granted-tools",)),
    ],
}
LOOK_ALIKES = {
    "scores_of_people": [
        seen("rank", '{"product": "lamp", "score": 71}'),
        seen("x", "The draft gets 8/10 for clarity"),
        seen("x", "Match: 3 out of 10 invoices differ"),
        seen("x", "The candidate list is attached."),
    ],
    "cv_content": [
        seen("Write a blog post: how to write a CV with work experience, education and skills"),
        seen("Summarise the meeting about our education budget"),
        seen("Make a CV template with headings for work experience and skills"),
        seen("The cover letter of the tender mentions skills"),
    ],
    "sends_by_itself": [
        seen(tools=("draft_email",)),
        seen(tools=("save_draft",)),
        seen(tools=("lookup",)),
        seen(tools=("list_sent",)),
    ],
    "emotions_of_workers": [
        seen("The customer sounds angry about the delivery"),
        seen("Summarise the anonymous staff survey on stress and motivation"),
        seen("Write a training course on how to detect stress for employees"),
        seen("Our employee handbook: motivation"),
    ],
    "model_not_declared": [seen(checks=("within-reservation",))] * 3,
    "tool_not_granted": [seen(checks=("granted-tools",))] * 2,
}


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_stream_that_contradicts_is_raised_and_nothing_else_with_it(name: str) -> None:
    facts = {"contact": "human_sends_each"} if name == "sends_by_itself" else {}
    assert raised(facts, STREAMS[name]) == [name]


@pytest.mark.parametrize("name", sorted(LOOK_ALIKES))
def test_a_look_alike_raises_nothing(name: str) -> None:
    assert raised({"contact": "human_sends_each"}, LOOK_ALIKES[name]) == []


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("scores_of_people", {"recruitment_step": "picks_or_rates_people"}),
        ("cv_content", {"recruitment_step": "other_step"}),
        ("sends_by_itself", {"contact": "direct"}),
        ("emotions_of_workers", {"emotion_inference": "text_only"}),
    ],
)
def test_what_was_declared_contradicts_nothing(name: str, facts: dict[str, Any]) -> None:
    assert name not in raised(facts, STREAMS[name])


def test_one_odd_call_raises_nothing() -> None:
    for calls in STREAMS.values():
        assert raised({"contact": "human_sends_each"}, calls[:1]) == []


def test_signals_use_only_facts_and_values_of_the_vocabulary() -> None:
    assert {signal.name for signal in signals()} == set(STREAMS)
    for signal in signals():
        for name, values in {**signal.row.get("unless", {}), **signal.row.get("only_if", {})}.items():
            for value in values:
                vocabulary()[name].read(value)


def test_a_tally_names_the_first_calls_and_counts_them_all() -> None:
    tally = Tally({})
    for at in range(NAMED + 5):
        tally.add(f"call_{at}", seen(checks=("reported-model",)))
    ((signal, shown, calls),) = tally.raised()
    assert (signal.name, shown, tally.looked_at) == ("model_not_declared", NAMED + 5, NAMED + 5)
    assert calls == [f"call_{at}" for at in range(NAMED)]
