"""A classification in plain words."""

from collections.abc import Iterator

from classifiers.cases import Case
from classifiers.facts import UNDETERMINED
from classifiers.law.records import Law, data
from classifiers.risk import Classification


def told(case: Case, result: Classification, law: Law) -> str:
    """Tell one result in lines of text."""
    return "\n".join(_lines(case, result, law))


def _lines(case: Case, result: Classification, law: Law) -> Iterator[str]:
    name = "".join(one if one.isprintable() else "?" for one in case.id)[:200]
    yield f"{name}: {law.said(result.tier)} ({result.tier}), asked for {case.at}"
    if result.tier == UNDETERMINED:
        low, high = result.tier_range
        yield f"  between: {law.said(low)} and {law.said(high)}"
    for name in (result.tier, *result.overlays):
        if name in result.applies_from:
            yield f"  {law.said(name)}: {_from(result.applies_from[name], case.at)}"
    if result.legal_basis:
        yield f"  carried by: {'; '.join(result.legal_basis)}"
    for provision, sentence, source in dict.fromkeys(
        (step.provision, step.sentence, step.source) for step in result.trace if step.effect == "met"
    ):
        yield f"    {provision}: {sentence} [{source_said(source)}]"
    for reading in result.readings:
        because = " ".join(reading.because)
        yield f"  debatable: {law.said(reading.tier)}, if one reads: {because}"
    if result.conservative_tier != result.tier:
        yield f"  to be safe: {law.said(result.conservative_tier)}"
    for fact in result.ask:
        yield f"  still to ask: {law.facts[fact].question} ({fact}; {law.facts[fact].source})"


def _from(start: str | None, at: str) -> str:
    if start is None:
        return "does not bind under the present facts"
    if start == UNDETERMINED:
        return "from a day that open answers decide"
    return f"binds since {start}" if start <= at else f"binds from {start}"


def carried_by(result: Classification) -> list[tuple[str, str, str]]:
    """Return what carries a class: provision, sentence and source in words, sorted."""
    met = {(step.provision, step.sentence, step.source) for step in result.trace if step.effect == "met"}
    return [(*said, source_said(source)) for *said, source in sorted(met) if said[0] in result.legal_basis]  # type: ignore[misc]


def source_said(source: str) -> str:
    """Name a source, and how it was read if not in a copy of the text itself."""
    name, _, locus = source.partition(": ")
    row = data()[0]["sources"]["sources"][name]
    how = {"draft": ", draft", "secondary": f", secondary source, {row['read_on']}"}.get(row["how"], "")
    return f"{row['title']}, {locus}{how}"
