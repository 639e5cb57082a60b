"""Who answered and whether that was the first choice: never said of a target that came first only because of others."""

from typing import Any

import pytest

from ledger.entry import Entry
from reports.why.serving import choice

TARGETS = [{"provider": "a", "model": "m"}, {"provider": "b", "model": "m"}]


def opened(**more: Any) -> Entry:
    facts = {"targets": TARGETS, "rejected": []} | more
    at, digest = "2026-11-28T00:00:00.000000Z", "0" * 64
    return Entry(
        1, "ledger.example", 0, digest, "ent_1", at, "call.opened", "call_1", None, "w", None, None, facts, {}, {}
    )


@pytest.mark.parametrize(
    ("more", "attempt", "said"),
    [
        ({}, TARGETS[0], ", the first choice"),
        ({}, TARGETS[1], ", a fallback"),
        ({"rejected": [{"model": "x", "reason": "r"}]}, TARGETS[0], ", the first that was not passed over"),
        ({"rejected": [{"model": "x", "reason": "r"}]}, TARGETS[1], ", a fallback"),
        (
            {"step_down": {"percent": 80}},
            TARGETS[0],
            ", put first because the route had used up 80 % of its cap or more",
        ),
        ({"step_down": {"percent": 80}}, TARGETS[1], ", a fallback"),
    ],
)
def test_it_is_said_whose_choice_answered(more: dict[str, Any], attempt: dict[str, str], said: str) -> None:
    assert choice(opened(**more), attempt) == said


def test_without_the_beginning_of_a_call_nothing_is_said_of_it() -> None:
    assert choice(None, TARGETS[0]) == ""
