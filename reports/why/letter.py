"""The why answer for the person whom a decision concerns: what part the AI had, what people did, what is not known.

It names no colleague, no key, no digest and no price. The organisation sends it, or takes sentences from it; a model
writes none of it.
"""

from collections.abc import Iterator
from datetime import date

from classifiers.law.duties import duties_on
from classifiers.law.records import data
from classifiers.text import source_said
from reports.why.answer import BOUNDARY, WhyAnswer
from reports.why.words import each_of

_PARTS = ((3, "What went in"), (6, "Which model was asked"), (7, "What came out"))
_DUTY = "art86-explanation"


def as_letter(answer: WhyAnswer) -> str:
    """Return the answer in plain words, one paragraph a line, for a person outside the organisation."""
    return "\n".join(_lines(answer))


def _lines(answer: WhyAnswer) -> Iterator[str]:
    asked = {one.number: one for one in answer.questions}
    yield f"About {answer.ref}"
    yield ""
    if answer.subject:
        yield answer.headline
        yield "\nWhich systems:"
        yield from (f"  {line}" for line in answer.subject.systems)
        yield "\nWhat was decided:"
        yield from (f"  {line}" for line in answer.subject.decided or ("Nothing but the answers themselves.",))
    else:
        yield f"Requests to an AI model that belong to this: {len(answer.calls)}. {_results(answer)}."
    for number, title in _PARTS:
        yield f"\n{title}:"
        yield from (f"  {line}" for line in asked[number].answer.split("\n"))
    yield "\nWhat people decided:"
    if not answer.decisions:
        yield "  No decision by a person about this is on record."
    for one in answer.decisions:
        yield f"  {one['shown'][:10]}: a person of the organisation {one['action']}: {one['reason']}"
    yield "\nWhat is not known:"
    yield from (f"  {line}" for line in answer.unknown)
    yield f"\n{BOUNDARY}"
    yield from _law(date.today().isoformat())  # noqa: DTZ011 - the day of whoever sends it


def _results(answer: WhyAnswer) -> str:
    said = each_of([str(one["result"]) for one in answer.calls])
    return f"It {said}" if len(answer.calls) == 1 else said[:1].upper() + said[1:]


def _law(today: str) -> Iterator[str]:
    """Say which right to an explanation the law data know of, and since when, with its source."""
    for duty in duties_on(today):
        if duty.id == _DUTY:
            days = " or ".join(sorted(set(duty.starts.values())))
            source = source_said(f"{duty.source.id}: {duty.source.locus}")
            yield f"\n{duty.article}, from {days} (disputed where two days stand here): {duty.obligation} [{source}]"
            yield str(data()[0]["sources"]["standing_line"])
