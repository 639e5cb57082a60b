"""How likely it is that an instruction hides in a text: two linear models over n-grams of windows. Pure, no network.

One model reads what a person types, where orders are ordinary; the other reads data (results of tools, documents,
quoted mail), where they are not. Their weights were learned by `bench.train_injection`; DATA_CARD.md says from what.
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
from classifiers.injection.normal import normal, place_in
from classifiers.injection.phrases import phrases_in

Source = Literal["person", "data"]
SUSPICIOUS = 0.5
"""From this score on a window is a finding: about one clean text in a hundred has such a one (DATA_CARD.md)."""


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
    found = [
        Finding("injection", source, place_in(text, start), place_in(text, end))
        for start, end in _joined([one for one in windows if one.score >= SUSPICIOUS])
    ]
    return max((one.score for one in windows), default=0.0), found


def scored(text: str, model: Model) -> list[Window]:
    """Return the windows of a text in its one spelling."""
    windows, keys = windows_of(len(text)), keys_of(text)
    edges = np.searchsorted(keys, np.arange(2 * len(windows) + 1, dtype=np.uint32) << np.uint32(BITS))
    places = keys & np.uint32((1 << KEY_BITS) - 1)
    weights, squares = (
        np.diff(np.concatenate(([0], np.cumsum(table[places], dtype=np.int64)))[edges])
        for table in (model.weights, model.squares)
    )
    values = (weights / np.sqrt(np.maximum(squares, 1))).reshape(-1, 2) @ model.scales - model.threshold
    values += PHRASE * with_phrases(text, windows)
    return [Window(*window, 1 / (1 + math.exp(-value))) for window, value in zip(windows, values, strict=True)]


def with_phrases(text: str, windows: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Tell for each window whether a phrase that sets aside what was said before begins in it."""
    begins = [start for start, _ in phrases_in(text)]
    return np.array([any(start <= one < end for one in begins) for start, end in windows], np.bool_)


def _joined(windows: list[Window]) -> list[tuple[int, int]]:
    """Return windows that overlap as one piece."""
    pieces: list[tuple[int, int]] = []
    for one in windows:
        if pieces and one.start <= pieces[-1][1]:
            pieces[-1] = (pieces[-1][0], one.end)
        else:
            pieces.append((one.start, one.end))
    return pieces


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
