"""People score what was drawn, without seeing what the evaluator said; how far both agree is on record."""

from collections.abc import Iterator

from gateway.evaluation.evaluators import VERDICTS
from gateway.evaluation.sampling import point
from gateway.oversight.acts import act
from gateway.oversight.people import Actor, ActRefused
from gateway.state.rows import review_row
from gateway.store.installation import Installation
from ledger.entry import Entry, decode

LOOK = 50_000
"""Entries that the queue looks back through."""
REVIEWERS = ("approver", "compliance", "admin")


def queue(installation: Installation, most: int = 20) -> Iterator[Entry]:
    """Yield drawn scores that nobody has reviewed, in an order that nobody chooses."""
    size = installation.reader.head().size
    entries = map(decode, installation.reader.raw(max(0, size - LOOK), size))
    found = [one for one in entries if one.kind in ("evaluation.scored", "review.recorded")]
    done = {(one.call, one.facts["evaluator"]) for one in found if one.kind == "review.recorded"}
    waiting = [
        one
        for one in found
        if one.kind == "evaluation.scored" and one.facts["drawn"] and one.facts["verdict"] in VERDICTS
        and (one.call, one.facts["evaluator"]) not in done
    ]  # fmt: skip
    yield from sorted(waiting, key=lambda one: point(str(one.call), "review", one.facts["component"]))[:most]


def review(installation: Installation, actor: Actor, call: str, evaluator: str, verdict: str, reason: str) -> None:
    """Record what a person says of an answer that an evaluator has scored.

    Raises:
        ActRefused: no such score, reviewed before, no such verdict, or not an approver.
    """
    if verdict not in VERDICTS:
        raise ActRefused(f"a verdict is one of {', '.join(VERDICTS)}")
    entries = installation.reader.entries(installation.reader.find("call", call))
    mine = [one for one in entries if one.facts.get("evaluator") == evaluator]
    scored = next((one for one in mine if one.kind == "evaluation.scored" and one.facts["verdict"] in VERDICTS), None)
    if scored is None:
        raise ActRefused(f"{evaluator} has no score of {call}")
    if any(one.kind == "review.recorded" for one in mine):
        raise ActRefused(f"{call} was reviewed for {evaluator} already")
    facts = {
        "evaluator": evaluator, "component": scored.facts["component"], "series": scored.facts["series"],
        "verdict": verdict, "judged": scored.facts["verdict"],
    }  # fmt: skip
    act(
        installation, "review.recorded", actor, roles=REVIEWERS, keys=(review_row(facts),), facts=facts,
        texts={"reason": reason} if reason.strip() else None, call=call, task=scored.task, workflow=scored.workflow,
    )  # fmt: skip
