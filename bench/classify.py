"""`python -m bench.classify`: how long a class takes, with all answers, with some open, and with none; and how the
labelled cases and the descriptions come out."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from classifiers.risk import DISCLAIMER, classify
from classifiers.suggestions import suggest

VECTORS = Path(__file__).parents[1] / "tests" / "classifiers" / "vectors"
AT = "2026-11-28"


def timed(function: Callable[[], Any]) -> float:
    """Return the milliseconds of one run."""
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1000


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text("utf-8").splitlines()]


def main() -> None:
    cases = lines("cases.jsonl")
    classify({}, complete=True, at=AT)  # reads the law data
    full = [timed(lambda one=one: classify(one["facts"], complete=True, at=one["at"])) for one in cases]  # type: ignore[misc]
    open_ = [timed(lambda one=one: classify(one["facts"], complete=False, at=one["at"])) for one in cases[::4]]  # type: ignore[misc]
    print(
        f"all answers given or assumed: {len(full)} cases, median {statistics.median(full):.1f} ms, most {max(full):.1f}"
    )
    print(
        f"the rest unknown:             {len(open_)} cases, median {statistics.median(open_):.0f} ms, most {max(open_):.0f}"
    )
    print(f"nothing answered:             {timed(lambda: classify({}, complete=False, at=AT)):.0f} ms")
    right = sum(_as_labelled(one) for one in cases)
    print(f"labelled cases as labelled:   {right} of {len(cases)}")
    rows = lines("descriptions.jsonl")
    high, low = ([row for row in rows if row["kind"] == kind] for kind in ("high", "minimal"))
    hit = sum(row["facts"][0] in {one.fact for one in suggest(row["description"])} for row in high)
    false = sum(one.fact not in row["facts"] for row in low for one in suggest(row["description"]))
    print(
        f"descriptions that get the right question: {hit} of {len(high)}; false questions: {false} in {len(low)} minimal ones"
    )
    print(DISCLAIMER)


def _as_labelled(case: dict[str, Any]) -> bool:
    found = classify(case["facts"], complete=case["answers_complete"], at=case["at"])
    said = {name: getattr(found, name) for name in ("tier", "overlays", "in_effect", "ask", "debatable", "legal_basis")}
    return all(
        list(said[name]) == value if isinstance(value, list) else said[name] == value
        for name, value in case["expected"].items()
        if name in said
    )


if __name__ == "__main__":
    main()
