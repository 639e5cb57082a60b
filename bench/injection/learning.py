"""Fits the two models on windows of texts, in the very arithmetic of `classifiers.injection.model`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import LogisticRegression

from bench.injection.texts import Labelled
from classifiers.injection.features import BITS, KEY_BITS, keys_of, windows_of
from classifiers.injection.model import PHRASE, Model, with_phrases
from classifiers.injection.normal import normal

SIZE = 1 << KEY_BITS
STRENGTH = 5.0
"""Of the regularisation (C of scikit-learn): found, as the weights, by folds that hold families apart."""
WEIGHT_OF_OTHERS = {"data": 15.0, "person": 30.0}
"""Of a row that others wrote, against one of ours: theirs are fewer and more like what is met."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of texts as rows of n-grams. `texts` has the number of each window's text, `labels` 1, 0, or -1: unclear."""

    grams: csr_matrix
    texts: NDArray[np.int64]
    labels: NDArray[np.int64]
    phrases: NDArray[np.bool_]


def windows_in(texts: Sequence[Labelled]) -> Windows:
    """Cut texts into windows; of one that only touches a hidden instruction the label is unclear."""
    columns, ends, owners, labels, phrases = [], [0], [], [], []
    for number, one in enumerate(texts):
        said = normal(one.text)
        span = [len(normal(one.text[:place])) for place in one.span] if one.span else None
        keys, windows = keys_of(said), windows_of(len(said))
        phrases.append(with_phrases(said, windows))
        for index, window in enumerate(windows):
            first, last = np.searchsorted(keys, (index << KEY_BITS, (index + 1) << KEY_BITS))
            columns.append((keys[first:last] & np.uint32(SIZE - 1)).astype(np.int64))
            ends.append(ends[-1] + last - first)
            owners.append(number)
            labels.append(_label(window, span) if span else int(one.attack))
    ones = np.ones(ends[-1], np.float32)
    grams = csr_matrix((ones, np.concatenate(columns), ends), shape=(len(owners), SIZE))
    return Windows(grams, np.array(owners), np.array(labels), np.concatenate(phrases))


def _label(window: tuple[int, int], span: Sequence[int]) -> int:
    shared = min(window[1], span[1]) - max(window[0], span[0])
    if shared <= 0:
        return 0
    return 1 if shared >= 0.6 * (span[1] - span[0]) or shared >= 160 else -1


def squares_of(grams: Iterable[csr_matrix]) -> NDArray[np.uint8]:
    """Return how much each n-gram counts in the length of a window: the rarer, the more (logarithm of its share)."""
    counts, rows = np.zeros(SIZE), 0
    for one in grams:
        counts += np.bincount(one.indices, minlength=SIZE)
        rows += one.shape[0]
    rarity = np.log((1 + rows) / (1 + counts)) + 1
    return np.rint(rarity / rarity.max() * 255).astype(np.uint8)


def scaled(grams: csr_matrix, squares: NDArray[np.uint8]) -> csr_matrix:
    """Return rows whose words have length 1, and whose characters have."""
    found = grams.copy().astype(np.float64)
    is_character = found.indices >> BITS
    row = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    square = squares[found.indices].astype(np.float64)
    length = np.bincount(row * 2 + is_character, square, minlength=2 * found.shape[0])
    found.data = np.sqrt(square / length[row * 2 + is_character])
    return found


def fitted(
    own: Windows, others: Windows, others_used: NDArray[np.bool_], squares: NDArray[np.uint8], source: str
) -> LogisticRegression:
    """Fit on our windows and on those of others that may be used.

    Of a text of others that hides an instruction nobody says where: the window counts that a model of our own windows
    finds most suspicious, and the rest of that text is left out.
    """
    clear = own.labels >= 0
    first = _regression().fit(scaled(own.grams[clear], squares), own.labels[clear])
    theirs = scaled(others.grams, squares)
    values = first.decision_function(theirs)
    used = others_used[others.texts] & (
        (others.labels == 0) | (values + PHRASE * others.phrases >= highest(values, others)[others.texts])
    )
    rows = vstack([scaled(own.grams[clear], squares), theirs[used]])
    labels = np.concatenate([own.labels[clear], others.labels[used]])
    weights = np.concatenate([np.ones(clear.sum()), np.full(used.sum(), WEIGHT_OF_OTHERS[source])])
    return _regression().fit(rows, labels, sample_weight=weights)


def highest(values: NDArray[np.float64], windows: Windows) -> NDArray[np.float64]:
    """Return the highest value of each text's windows, phrases included."""
    found = np.full(windows.texts.max() + 1, -math.inf)
    np.maximum.at(found, windows.texts, values + PHRASE * windows.phrases)
    return found


def _regression() -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=400)


def packed(model: LogisticRegression, squares: NDArray[np.uint8], threshold: float) -> Model:
    """Return a fitted model in eight bits a weight."""
    weights = model.coef_[0] * np.sqrt(squares.astype(np.float64))
    halves = weights.reshape(2, -1)
    scales = np.abs(halves).max(1) / 127
    whole = np.rint(halves / scales[:, None]).astype(np.int8).reshape(-1)
    return Model(whole, squares, scales.astype(np.float32), threshold - float(model.intercept_[0]))
