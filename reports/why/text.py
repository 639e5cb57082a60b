"""The why answer for a terminal."""

import textwrap

from reports.why.answer import BOUNDARY, WhyAnswer
from reports.why.narrative import Sentence

WIDTH = 110


def as_text(answer: WhyAnswer) -> str:
    """Return headline, narrative, approvals, unknown and the check, wrapped for a terminal."""
    page = f" (page {answer.page} of {answer.pages})" if answer.pages > 1 else ""
    lines = [f"why {answer.ref}{page}", "", *_wrapped(_cited(answer.verdict), ""), *_wrapped(answer.headline, ""), ""]
    for number, sentence in enumerate(answer.narrative, start=1):
        lines += _wrapped(_cited(sentence), f"{number:>3}. ")
    lines += ["", "who approved it"]
    for level, name in (
        ("this_call", "this call"),
        ("rules_in_force", "rules"),
        ("workflow_release", "release"),
        ("risk_class", "risk class"),
    ):
        said = answer.approvals[level]
        for text in [_decision(one) for one in said["people"]] or [said["said"]]:
            lines += _wrapped(text, f"  {name:<10} ")
    if answer.decisions:
        lines += ["", "what people decided"]
        for decision in answer.decisions:
            lines += _wrapped(_decision(decision), "  - ")
    lines += ["", "what we do not know"]
    for one in answer.unknown:
        lines += _wrapped(one, "  - ")
    check = answer.integrity
    lines += ["", *_wrapped(
        f"verify: {check.proved} of {check.checked} entries proved under the checkpoint of "
        f"{check.checkpoint_size or 0} entries, {check.pending} not signed yet, {len(check.failures)} failed.", ""
    ), *check.failures, "", *_wrapped(BOUNDARY, "")]  # fmt: skip
    return "\n".join(lines)


def _cited(one: Sentence) -> str:
    return f"{one.text} [{', '.join(one.facts)}]"


def _decision(one: dict[str, str]) -> str:
    return f"{one['person']} {one['action']}, {one['shown']}: {one['reason']}"


def _wrapped(text: str, lead: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)) or [lead]
