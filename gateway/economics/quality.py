"""Quality lines of the scorecard: what evaluators said of what was drawn, and how far people agree with them."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from gateway.configuration.evaluation import Evaluation
from gateway.economics.reading import Period
from gateway.evaluation.evaluators import VERDICTS
from gateway.oversight.looking import within
from ledger.store.reader import Reader
from reports.scorecard.card import CLEAR, Line, Offline
from reports.statistics import agreement, corrected_share, difference_is_clear, wilson


def quality_lines(
    reader: Reader, evaluation: Evaluation, now: Mapping[str, Any], before: Mapping[str, Any], eligible: int
) -> list[Line]:
    """Return a line for each evaluator and series that scored in the period.

    Args:
        now: the rows of scores of the period, of the workflows that are asked for; `before`: of the one before.
        eligible: calls of the period that have an answer.
    """
    found, then = _by_series(now), _by_series(before)
    kinds = {one.name: one.kind for one in evaluation.evaluators}
    several = Counter(evaluator for _, evaluator, _ in found)
    return [
        _line(reader, place, counts, then.get(place, Counter()), eligible, kinds.get(place[1], ""), several)
        for place, counts in sorted(found.items())
    ]


def _by_series(rows: Mapping[str, Any]) -> dict[tuple[str, str, str], Counter[str]]:
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for row, counts in rows.items():
        _, _, component, evaluator, series, *_ = row.split("|")
        found.setdefault((component, evaluator, series), Counter()).update(counts["drawn"])
    return found


def by_prompt(rows: Mapping[str, Any]) -> dict[str, str]:
    """Return what was said of the drawn answers of each version of a prompt: by evaluator, correct of scored."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for row, counts in rows.items():
        _, _, _, evaluator, _, *prompt = row.split("|")
        found.setdefault((prompt[0] if prompt else "", evaluator), Counter()).update(counts["drawn"])
    said: dict[str, list[str]] = {}
    for (label, evaluator), counted in sorted(found.items()):
        scored = sum(counted[name] for name in VERDICTS)
        said.setdefault(label, []).append(f"{evaluator}: {counted['correct']} of {scored} correct")
    return {label: "; ".join(parts) for label, parts in said.items()}


def offline(reader: Reader, period: Period, names: Collection[str] | None) -> tuple[Offline, ...]:
    """Return the results of evaluations that ran elsewhere in the period."""
    found: list[Offline] = []
    for row, one in reader.states_between(f"imported:{period.start}", f"imported:{period.end}").items():
        _, workflow, suite, _ = row.split("|")
        if within(workflow, names):
            scored = one["correct"] + one["partial"] + one["incorrect"]
            low, high = wilson(one["correct"], scored) if scored else (None, None)
            of = " ".join(one[name] for name in ("prompt", "model") if name in one)
            found.append(Offline(one["day"], workflow, suite, one["component"], of, one["correct"], scored, low, high))
    return tuple(found)


def _line(
    reader: Reader, place: tuple[str, str, str], counts: Counter[str], before: Counter[str], eligible: int, kind: str,
    several: Counter[str],
) -> Line:  # fmt: skip
    component, evaluator, series = place
    scored, of_before = (sum(one[name] for name in VERDICTS) for one in (counts, before))
    right, right_before = counts["correct"], before["correct"]
    low, high = wilson(right, scored) if scored else (None, None)
    clear = difference_is_clear(right, scored, right_before, of_before) if scored and of_before else None
    rose = bool(scored and of_before) and right / scored > right_before / of_before
    parts = [
        ", ".join(f"{name} {counts[name]}" for name in VERDICTS),
        f"drawn {counts.total()} of {eligible} with an answer, {counts['unscored']} of them unscored",
    ]
    if kind == "judge":
        parts.append(_people(reader, evaluator, series, right, scored))
    if several[evaluator] > 1:
        parts.append(f"series {series[:8]}: the question, its judge or its schema changed in the period")
    return Line(
        id=f"quality-{evaluator}-{series[:8]}", title=f"Quality, {component.replace('_', ' ')}: {evaluator}",
        unit="share", definition="Correct of the drawn answers that were scored. Calls are drawn by a hash of call and "
        "policy; those that are always scored (denied, flagged, expensive, overridden) are not in it unless the hash "
        "drew them too.",
        value=right / scored if scored else None, numerator=right, denominator=scored, low=low, high=high,
        how="Wilson" if scored else "nothing was scored", before=right_before / of_before if of_before else None,
        change=f"{'higher' if rose else 'lower'} ({CLEAR[True]})" if clear else CLEAR[clear], note="; ".join(parts),
    )  # fmt: skip


def _people(reader: Reader, evaluator: str, series: str, right: int, scored: int) -> str:
    """Say how far people agree with a judge, and what its share is once its errors are counted in."""
    row = reader.state(f"review:{evaluator}|{series}") or {}
    pairs = {(pair.partition(">")[0], pair.partition(">")[2]): count for pair, count in row.items()}
    known = agreement(pairs, VERDICTS)
    if not known.of:
        return "no person has reviewed this judge: its own errors are not known"
    kappa = "undefined" if known.kappa is None else f"{known.kappa:.2f}"
    said = f"people agree in {known.same} of {known.of}, kappa {kappa}"
    hits = sum(count for (_, person), count in pairs.items() if person == "correct")
    found = corrected_share(
        right, scored, (pairs.get(("correct", "correct"), 0), hits),
        (sum(count for (judged, person), count in pairs.items() if "correct" not in (judged, person)), known.of - hits),
    )  # fmt: skip
    if found is None:
        return f"{said}; too few reviews to correct for its errors"
    share, low, high = found
    return f"{said}; corrected for its errors {min(1, max(0, share)) * 100:.1f} % ({low * 100:.1f} to {high * 100:.1f})"
