"""What the detectors make of the texts of a request. What stays the same from one request to the next is read once."""

import asyncio
import hashlib
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from classifiers.credentials.found import credentials_in
from gateway.policies.lately import AWAY, Lately
from gateway.policies.parts import Parts

SHORTEST = 12
"""Characters of an order at least."""
_ONE_WORD = re.compile(r"[!-~]{0,64}")
Source = Literal["person", "data"]


class Seen(NamedTuple):
    """What was found in texts. A score is in thousandths; None where nobody looked."""

    hidden: int | None = None
    credentials: int | None = None
    personal_data: frozenset[str] | None = None


class Screened(NamedTuple):
    """What was found in the words of a person and in data."""

    words: Seen = Seen()
    data: Seen = Seen()
    has_data: bool = False

    @property
    def credentials(self) -> int:
        return (self.words.credentials or 0) + (self.data.credentials or 0)

    @property
    def personal_data(self) -> frozenset[str]:
        return (self.words.personal_data or frozenset()) | (self.data.personal_data or frozenset())

    @property
    def facts(self) -> dict[str, Any]:
        """Return it as entries state it: scores, counts and kinds, no text."""
        said: dict[str, Any] = {"data": self.has_data}
        for name, seen in (("hidden_in_data", self.data), ("hidden_in_words", self.words)):
            said |= {} if seen.hidden is None else {name: seen.hidden}
        said |= {} if self.words.credentials is None else {"credentials": self.credentials}
        return said | ({} if self.words.personal_data is None else {"personal_data": sorted(self.personal_data)})


NOTHING_SEEN = Screened()


class Detectors(NamedTuple):
    """Which are asked for."""

    hidden: bool = False
    credentials: bool = False
    personal_data: bool = False


class Screen:
    """The detectors of a process, with what they found lately."""

    def __init__(self) -> None:
        self._known = Lately[Seen]()

    async def look(self, parts: Parts, asked: Detectors) -> Screened:
        """Read the texts of a request; long ones that are new in a thread."""
        new = sum(len(text) for source, text in _each(parts) if _key(source, text, asked) not in self._known)
        if new > AWAY:
            return await asyncio.to_thread(self.read, parts, asked)
        return self.read(parts, asked)

    def read(self, parts: Parts, asked: Detectors) -> Screened:
        """Read the texts of a request."""
        return Screened(
            _together([self._of("person", text, asked) for text in parts.words], asked),
            _together([self._of("data", text, asked) for text in parts.data], asked), parts.has_data,
        )  # fmt: skip

    def _of(self, source: Source, text: str, asked: Detectors) -> Seen:
        return self._known.of(_key(source, text, asked), lambda: _found(source, text, asked))


def _each(parts: Parts) -> Iterable[tuple[Source, str]]:
    yield from (("person", text) for text in parts.words)
    yield from (("data", text) for text in parts.data)


def _key(source: Source, text: str, asked: Detectors) -> bytes:
    said = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=source.encode())
    said.update(bytes(asked))
    return said.digest()


def _found(source: Source, text: str, asked: Detectors) -> Seen:
    """Read one text. What the extra `screening` brings is loaded by the first who asks (`load`)."""
    hidden = personal = None
    if asked.hidden:
        from classifiers.injection.model import score_of

        hidden = int(1000 * score_of(text, source)) if _says_something(text) else 0
    if asked.personal_data:
        from classifiers.personal_data.found import personal_data_in

        personal = frozenset(one.type for one in personal_data_in(text))
    return Seen(hidden, len(credentials_in(text)) if asked.credentials else None, personal)


def load(asked: Detectors) -> None:
    """Load the detectors, so that no call waits for that."""
    for source in ("person", "data"):
        _found(source, "Tel. 030 1234 5678, and DB_PASSWORD=Fl4UHQ1wOKrzst", asked)


def _says_something(text: str) -> bool:
    """Tell whether a text can hold an order: ids and words of a status cannot."""
    return len(text) >= SHORTEST and not _ONE_WORD.fullmatch(text)


def _together(seen: list[Seen], asked: Detectors) -> Seen:
    return Seen(
        max((one.hidden or 0 for one in seen), default=0) if asked.hidden else None,
        sum(one.credentials or 0 for one in seen) if asked.credentials else None,
        frozenset().union(*(one.personal_data or frozenset() for one in seen)) if asked.personal_data else None,
    )  # fmt: skip
