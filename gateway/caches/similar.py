"""Answers to similar questions, in memory, bounded, disposable: found by their vectors and checked by guards.

What a threshold finds is served only if the two questions differ in nothing that the guards know: numbers, dates,
names, negation, opposites, direction and the like. Needs the extra `similarity`; the vectors come from an endpoint for
embeddings, or from the local model, which is loaded when it is first needed.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from classifiers.similarity.extra import ExtraMissing, library
from classifiers.similarity.near_miss import difference
from classifiers.similarity.nearest import Nearest
from classifiers.similarity.time_dependent import is_time_dependent
from gateway.pipeline.ports import Cached, Near

ROWS, PARTITIONS = 5_000, 64
MAX_BYTES = 64 * 1024 * 1024
"""Of answers, questions and vectors together; beyond that the older half goes."""
CANDIDATES = 5
MOST_SECONDS = 259_200.0
"""The longest life of an answer; routes set shorter ones."""
AGREES = 0.85
"""Cosine from which on two answers say the same, if the guards find nothing else in them."""
Embed = Callable[[str], Any]

log = structlog.get_logger()


class CannotEmbed(Exception):
    """There is nothing here that turns a text into numbers."""


class SimilarAnswers:
    """The answers of a process, by partition. Vectors are as long as whatever embedded the partition makes them."""

    def __init__(self, load: Callable[[], Embed]) -> None:
        """`load`: returns the local model, or raises `CannotEmbed`; both are called in a thread."""
        self._load = load
        self._lock = asyncio.Lock()
        self._embed: Embed | None = None
        self._missing = ""
        self._nearest: dict[int, Nearest] = {}
        self._kept: dict[tuple[str, str], tuple[str, float, Cached, int]] = {}
        self._bytes = 0

    async def takes(self, text: str) -> bool:
        """Tell whether an answer to a question may serve another one. The first look reads the lists of words."""
        return not self._missing and not await asyncio.to_thread(self._depends_on_the_day, text)

    def _depends_on_the_day(self, text: str) -> bool:
        try:
            library("numpy")
        except ExtraMissing as error:
            self._give_up(error)
            return True
        return is_time_dependent(text)

    async def embed(self, texts: Sequence[str]) -> list[Any]:
        """Return the vector of each text by the local model; None for one that is too long, or where there is none."""
        async with self._lock:
            if self._embed is None and not self._missing:
                try:
                    self._embed = await asyncio.to_thread(self._load)
                except CannotEmbed as error:
                    self._give_up(error)
        return [await asyncio.to_thread(self._vector, text) for text in texts]

    def _vector(self, text: str) -> Any:
        try:
            return self._embed(text) if self._embed else None
        except ValueError:  # more words than the model reads
            return None

    def _give_up(self, error: Exception) -> None:
        """Say once what is missing; calls go to their models from then on."""
        self._missing = str(error)
        log.error("answers to similar questions cannot be found", reason=self._missing)

    def near(self, partition: str, vector: Any, text: str, threshold: float) -> Near | None:
        """Return the answer to the nearest question that may serve, if there is one."""
        if (nearest := self._nearest.get(len(vector))) is None:
            return None
        now = time.monotonic()
        for match in nearest.nearest(partition, _unit(vector), CANDIDATES, at=now):
            if match.similarity < threshold:
                break
            question, until, cached, _ = self._kept[partition, str(match.key)]
            if until >= now and difference(question, text) is None:
                nearest.use(partition, match.key)
                return Near(cached, min(1000, round(1000 * match.similarity)))
        return None

    def keep(self, partition: str, text: str, vector: Any, cached: Cached, *, ttl: int) -> None:
        """Keep an answer for later questions."""
        size = len(text) + len(cached.body) + 4 * len(vector)
        if size > MAX_BYTES // 8:
            return
        now = time.monotonic()
        for gone in self._of_width(len(vector)).add(partition, cached.call, _unit(vector), at=now):
            self._drop((str(gone[0]), str(gone[1])))
        self._kept[partition, cached.call] = (text, now + ttl, cached, size)
        self._bytes += size
        if self._bytes > MAX_BYTES:
            older = set(list(self._kept)[: len(self._kept) // 2 + 1])
            for nearest in self._nearest.values():
                nearest.remove(lambda place, key: (str(place), str(key)) in older)
            for one in older:
                self._drop(one)

    def _of_width(self, width: int) -> Nearest:
        if width not in self._nearest:
            self._nearest[width] = Nearest(width=width, rows=ROWS, partitions=PARTITIONS, seconds=MOST_SECONDS)
        return self._nearest[width]

    def _drop(self, place: tuple[str, str]) -> None:
        self._bytes -= self._kept.pop(place)[3]

    def agree(self, vectors: Sequence[Any], one: str, other: str) -> bool:
        """Tell whether two answers say the same."""
        return float(_unit(vectors[0]) @ _unit(vectors[1])) >= AGREES and difference(one, other, strictness=0) is None


def _unit(vector: Any) -> Any:
    """Return a vector with length one: not every endpoint gives them so."""
    np = library("numpy")
    numbers = np.asarray(vector, np.float64)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


def local() -> Embed:
    """Return the local model.

    Raises:
        CannotEmbed: the extra or the model's files are not there; says what to install.
    """
    from classifiers.similarity.minilm import MiniLM, WeightsRefused, installed

    try:
        return MiniLM(installed()).embed
    except (ExtraMissing, WeightsRefused) as error:
        raise CannotEmbed(str(error)) from error
