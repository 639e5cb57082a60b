"""The why answer for a terminal."""

import textwrap

from ledger.amounts import counted
from reports.why.answer import BOUNDARY, WhyAnswer
from reports.why.sentences import Sentence

WIDTH = 110


def as_text(answer: WhyAnswer) -> str:
    """Return headline, narrative, approvals, unknown and the check, wrapped for a terminal."""
    page = f" (page {answer.page} of {answer.pages})" if answer.pages > 1 else ""
    lines = [f"why {answer.ref}{page}", "", *_wrapped(_cited(answer.verdict), "")]
    lines += [*(_wrapped(answer.headline, "") if answer.headline != answer.verdict.text else ()), ""]
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


def as_short(answer: WhyAnswer) -> str:
    """Return the answer about a subject in short: which systems, what was decided, who reviewed it."""
    assert answer.subject is not None
    reviewed = [*(_decision(one) for one in answer.decisions), *answer.subject.reviewed]
    lines = _wrapped(answer.headline, "")
    for title, told, nothing in (
        ("systems", answer.subject.systems, ""),
        ("what was decided", answer.subject.decided, "Nothing but the answers themselves."),
        ("reviewed by", reviewed, "No person's decision about these calls is on record."),
    ):
        lines += ["", title]
        for one in told or [nothing]:
            lines += _wrapped(one, "  - ")
    check = answer.integrity
    proved = f"{check.proved} of {counted(check.checked, 'entry', 'entries')} proved, {check.pending} not signed yet"
    more = "all of it: --audience operator; in plain words for the person: --audience affected_person"
    lines += ["", f"verify: {proved}, {len(check.failures)} failed.", *check.failures, "", more]
    return "\n".join(lines)


def _decision(one: dict[str, str]) -> str:
    return f"{one['person']} {one['action']}, {one['shown']}: {one['reason']}"


def _wrapped(text: str, lead: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)) or [lead]
