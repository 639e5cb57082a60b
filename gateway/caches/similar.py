"""Answers to similar questions, in memory, bounded, disposable: found by a local embedding and checked by guards.

What a threshold finds is served only if the two questions differ in nothing that the guards know: numbers, dates,
names, negation, opposites, direction and the like. Needs the extra `similarity` and the model's files.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog

from classifiers.similarity.extra import ExtraMissing
from classifiers.similarity.near_miss import difference
from classifiers.similarity.nearest import Nearest
from classifiers.similarity.time_dependent import is_time_dependent
from gateway.pipeline.ports import Cached, Looked, Near

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


class SimilarAnswers:
    """The answers of a process, by partition."""

    def __init__(self, embed: Embed, *, width: int, seconds: float) -> None:
        """`embed`: returns the vector of a text, of length one; called in a thread. `seconds`: the longest life."""
        self._embed = embed
        self._nearest = Nearest(width=width, rows=ROWS, partitions=PARTITIONS, seconds=seconds)
        self._kept: dict[tuple[str, str], tuple[str, float, Cached]] = {}
        self._vector_bytes, self._bytes = 4 * width, 0

    async def look(self, partition: str, text: str, threshold: float) -> Looked:
        """Return the answer to the nearest question that may serve, if there is one, and the vector of the text."""
        vector = await self._vector(text, is_question=True)
        if vector is None:
            return Looked(None, None)
        now = time.monotonic()
        for match in self._nearest.nearest(partition, vector, CANDIDATES, at=now):
            if match.similarity < threshold:
                break
            question, until, cached = self._kept[partition, str(match.key)]
            if until >= now and difference(question, text) is None:
                self._nearest.use(partition, match.key)
                return Looked(vector, Near(cached, min(1000, round(1000 * match.similarity))))
        return Looked(vector, None)

    def keep(self, partition: str, text: str, looked: Looked, cached: Cached, *, ttl: int) -> None:
        """Keep an answer for later questions."""
        if looked.vector is None or len(cached.body) > MAX_BYTES // 8:
            return
        now = time.monotonic()
        for gone in self._nearest.add(partition, cached.call, looked.vector, at=now):
            self._drop((str(gone[0]), str(gone[1])))
        self._kept[partition, cached.call] = (text, now + ttl, cached)
        self._bytes += self._size(text, cached)
        if self._bytes > MAX_BYTES:
            older = set(list(self._kept)[: len(self._kept) // 2 + 1])
            self._nearest.remove(lambda place, key: (str(place), str(key)) in older)
            for one in older:
                self._drop(one)

    def _drop(self, place: tuple[str, str]) -> None:
        text, _, cached = self._kept.pop(place)
        self._bytes -= self._size(text, cached)

    def _size(self, text: str, cached: Cached) -> int:
        return len(text) + len(cached.body) + self._vector_bytes

    async def agree(self, one: str, other: str) -> bool | None:
        """Tell whether two answers say the same; None where that cannot be told."""
        vectors = [await self._vector(text) for text in (one, other)]
        if vectors[0] is None or vectors[1] is None:
            return None
        return float(vectors[0] @ vectors[1]) >= AGREES and difference(one, other, strictness=0) is None

    async def _vector(self, text: str, *, is_question: bool = False) -> Any:
        """Return the vector of a text; None where it has none, or is a question whose answer depends on the day."""

        def read() -> Any:
            return None if is_question and is_time_dependent(text) else self._embed(text)

        try:
            return await asyncio.to_thread(read)
        except ValueError:  # more words than the model reads
            return None


def local() -> SimilarAnswers:
    """Return an empty cache over the local model.

    Raises:
        CannotEmbed: the extra or the model's files are not there; says what to install.
    """
    from classifiers.similarity.minilm import WIDTH, MiniLM, WeightsRefused, installed

    difference("one", "two")  # whose lists take a quarter of a second to read, here in a thread
    try:
        return SimilarAnswers(MiniLM(installed()).embed, width=WIDTH, seconds=MOST_SECONDS)
    except (ExtraMissing, WeightsRefused) as error:
        raise CannotEmbed(str(error)) from error


class CannotEmbed(Exception):
    """There is nothing here that turns a text into numbers."""


class OnDemand:
    """The same, loaded when it is first needed: most installations have no such route. What cannot be loaded is said
    in the log once, and calls go to their models."""

    def __init__(self, load: Callable[[], SimilarAnswers]) -> None:
        self._load = load
        self._lock = asyncio.Lock()
        self._loaded: SimilarAnswers | None = None
        self._failed = False

    async def look(self, partition: str, text: str, threshold: float) -> Looked:
        answers = await self._answers()
        return await answers.look(partition, text, threshold) if answers else Looked(None, None)

    def keep(self, partition: str, text: str, looked: Looked, cached: Cached, *, ttl: int) -> None:
        if self._loaded is not None:
            self._loaded.keep(partition, text, looked, cached, ttl=ttl)

    async def agree(self, one: str, other: str) -> bool | None:
        return await self._loaded.agree(one, other) if self._loaded is not None else None

    async def _answers(self) -> SimilarAnswers | None:
        async with self._lock:
            if self._loaded is None and not self._failed:
                try:
                    self._loaded = await asyncio.to_thread(self._load)
                except CannotEmbed as error:
                    self._failed = True
                    log.error("answers to similar questions cannot be found", reason=str(error))
        return self._loaded
