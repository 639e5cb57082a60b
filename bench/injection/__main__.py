"""`python -m bench.injection PATH [--write]`: how well the models find what hides in kinds of texts held apart.

PATH is a folder of labelled rows of others (`injection.jsonl`). It takes the extra `train`. With `--write` the models
learn from all of it, and `classifiers/injection/weights.npz` is written. No row of it is kept.
"""

import zlib
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.injection.learning import Windows, fitted, highest, packed, scaled, squares_of, windows_in
from bench.injection.texts import Labelled, own_texts, questions_of_others, rows_of_others
from classifiers.injection.model import Source

FOLDS = 5
SOURCES: tuple[Source, ...] = ("data", "person")
SHARE = 0.01
"""Of clean texts that lie above the threshold of a model."""
WEIGHTS = Path(__file__).parents[2] / "classifiers" / "injection" / "weights.npz"


def folds_of(rows: Sequence[Labelled], apart: str) -> NDArray[np.int64]:
    """Return the fold of each row: by chance (`""`), or with what shares a `family` or an `origin` in one."""
    if apart == "origin":
        origins = sorted({one.origin for one in rows})
        return np.array([origins.index(one.origin) % FOLDS for one in rows])
    names = [one.family if apart else f"{number}" for number, one in enumerate(rows)]
    return np.array([zlib.crc32(name.encode()) % FOLDS for name in names])


def crossed(
    own: Windows, others: Windows, folds: NDArray[np.int64], squares: NDArray[np.uint8], source: str
) -> NDArray[np.float64]:
    """Return a value for each text from a model that saw none of its fold."""
    values = np.zeros(len(folds))
    for fold in range(FOLDS):
        model = fitted(own, others, folds != fold, squares, source)
        found = highest(model.decision_function(scaled(others.grams, squares)), others)
        values[folds == fold] = found[folds == fold]
    return values


def threshold_of(values: NDArray[np.float64], attacks: NDArray[np.bool_], share: float) -> float:
    """Return the value above which that share of clean texts lies."""
    clean = np.sort(values[~attacks])[::-1]
    return float(clean[int(len(clean) * share)])


def told(name: str, rows: Sequence[Labelled], values: NDArray[np.float64]) -> None:
    """Print recall at 1 % false alarms over all and in data, and of each kind at that threshold."""
    attacks, data = np.array([one.attack for one in rows]), np.array([one.source == "data" for one in rows])
    limit = threshold_of(values, attacks, 0.01)
    found: dict[str, list[bool]] = defaultdict(list)
    for one, value in zip(rows, values, strict=True):
        found[("" if one.attack else "clean ") + one.kind].append(value > limit)
    over = (values > limit) & attacks
    print(
        f"{name}: {over.sum() / attacks.sum():.3f} of all, {(over & data).sum() / (attacks & data).sum():.3f} in data"
    )
    print("   ", ", ".join(f"{kind} {np.mean(hits):.2f}" for kind, hits in sorted(found.items())))


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    rows, asked = rows_of_others(chosen.path), list(questions_of_others(chosen.path))
    ours = list(own_texts()) + asked
    own = {source: windows_in([one for one in ours if one.source == source]) for source in SOURCES}
    theirs = {source: windows_in([one for one in rows if one.source == source]) for source in SOURCES}
    squares = squares_of(one.grams for one in own.values())
    kept: dict[str, Any] = {"squares": squares}
    for name, apart in (("all mixed", ""), ("sources apart", "origin"), ("families apart", "family")):
        values = np.zeros(len(rows))
        for source in SOURCES:
            at = np.array([one.source == source for one in rows])
            mine = [one for one in rows if one.source == source]
            crossing = crossed(own[source], theirs[source], folds_of(mine, apart), squares, source)
            limit = threshold_of(crossing, np.array([one.attack for one in mine]), SHARE)
            values[at] = crossing - limit
            kept[f"{source}_threshold"] = limit
        told(name, rows, values)
    if chosen.write:
        write(own, theirs, squares, kept)


def write(
    own: dict[str, Windows], theirs: dict[str, Windows], squares: NDArray[np.uint8], kept: dict[str, Any]
) -> None:
    for source in own:
        everything = np.ones(theirs[source].texts.max() + 1, np.bool_)
        model = packed(
            fitted(own[source], theirs[source], everything, squares, source), squares, kept[f"{source}_threshold"]
        )
        kept |= {
            f"{source}_weights": model.weights,
            f"{source}_scales": model.scales,
            f"{source}_threshold": model.threshold,
        }
    np.savez_compressed(WEIGHTS, **kept)


if __name__ == "__main__":
    main()
