"""How likely it is that an instruction hides in a text: two linear models over n-grams of windows. Pure, no network.

One model reads what a person types, where orders are ordinary; the other reads data (results of tools, documents,
quoted mail), where they are not. Their weights were learned by `bench.injection`; DATA_CARD.md says from what.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from classifiers.finding import Finding
from classifiers.injection.features import BITS, KEY_BITS, keys_of, windows_of
from classifiers.injection.normal import normal, places_in
from classifiers.injection.phrases import phrases_in

Source = Literal["person", "data"]
SUSPICIOUS = 0.5
"""From this score on a window is a finding: one in a hundred of the clean texts had such a one that DATA_CARD.md names,
by models that had not seen them."""
PHRASE = 4.0
"""What a literal phrase (`phrases.yaml`) adds to the value of its window."""


@dataclass(frozen=True, slots=True)
class Model:
    """Words and characters of a window score sum(weights) / sqrt(sum(squares)) each; the sum of both is held against
    `threshold`.
    """

    weights: NDArray[np.int8]
    squares: NDArray[np.uint8]
    scales: NDArray[np.float32]
    """Of words and of characters: what a score in eight bits is multiplied by."""
    threshold: float


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text, in characters of its one spelling, and its score from 0 to 1."""

    start: int
    end: int
    score: float


def injection_in(text: str, source: Source) -> tuple[float, list[Finding]]:
    """Return the highest score of a text's windows, 0 to 1, and the pieces that are suspicious, in code points."""
    windows = scored(normal(text), _models()[source])
    ends = places_in(text, _joined([one for one in windows if one.score >= SUSPICIOUS]))
    found = [Finding("injection", source, *piece) for piece in zip(ends[::2], ends[1::2], strict=True)]
    return max(one.score for one in windows), found


def score_of(text: str, source: Source) -> float:
    """Return the highest score of a text's windows, 0 to 1. Where it stands costs more than what it is."""
    return max(one.score for one in scored(normal(text), _models()[source]))


def scored(text: str, model: Model) -> list[Window]:
    """Return the windows of a text in its one spelling."""
    windows, keys = windows_of(len(text)), keys_of(text)
    edges = np.searchsorted(keys, np.arange(2 * len(windows) + 1).astype(keys.dtype) << keys.dtype.type(BITS))
    places = keys & keys.dtype.type((1 << KEY_BITS) - 1)
    weights, squares = (
        np.diff(np.concatenate(([0], np.cumsum(table[places], dtype=np.int64)))[edges])
        for table in (model.weights, model.squares)
    )
    values = (weights / np.sqrt(np.maximum(squares, 1))).reshape(-1, 2) @ model.scales - model.threshold
    values += PHRASE * with_phrases(text, windows)
    return [Window(*window, 1 / (1 + math.exp(-value))) for window, value in zip(windows, values, strict=True)]


def with_phrases(text: str, windows: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Tell for each window whether a phrase that sets aside what was said before begins in it."""
    begins = np.sort(np.array([start for start, _ in phrases_in(text)], np.int64))
    first, last = np.searchsorted(begins, np.array(windows)).T
    held: NDArray[np.bool_] = last > first
    return held


def _joined(windows: list[Window]) -> list[int]:
    """Return beginning and end of each piece in turn: windows that touch are one."""
    ends: list[int] = []
    for one in windows:
        if ends and one.start <= ends[-1]:
            ends[-1] = one.end
        else:
            ends += (one.start, one.end)
    return ends


@cache
def _models() -> dict[Source, Model]:
    with files("classifiers.injection").joinpath("weights.npz").open("rb") as file:
        kept = np.load(file, allow_pickle=False)
        return {
            source: Model(
                kept[f"{source}_weights"], kept["squares"], kept[f"{source}_scales"], float(kept[f"{source}_threshold"])
            )
            for source in ("person", "data")
        }
