"""What an answer gives away: read as it comes, so that nothing of it leaves before it was read. Pure.

Of a stream the text leaves in runs: what is still being written (an address, a key, a number in groups) waits until it
has ended, and no run waits for longer than `MOST_HELD` characters of it. So a finding that is no longer than that
leaves whole or not at all.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from classifiers.credentials.found import credentials_in
from classifiers.leaks.links import leaks_in
from gateway.call import Call, Check
from gateway.configuration.policies import Says
from gateway.dialects.saying import Piece
from gateway.policies.evaluating import Applying
from ledger.entry import NOTHING

EVERY = 128
"""Characters after which a text that goes on is read again."""
BEFORE, BEFORE_WORDS = 256, 2048
"""Characters before what is new that are read with it; where words in a row count, more."""
MOST_HELD, MOST_GROUPS = 4096, 12
"""Characters of the end of a text that wait for what comes next, and words with figures among them."""
_END_OF_KEY = re.compile(r"-----END [A-Z ]{0,60}-----")
_RUN = re.compile(r"\S+")
_TAG = re.compile(r"<[A-Za-z/!][^>]*\Z")
MOST_COMPARED = 100
"""Different findings of an answer that are looked for in the request."""
WORDS = 12
"""Words in a row that stand in the system text and in the answer, from which on it gives that text away."""
_WORD = re.compile(r"\w+")


class Given(NamedTuple):
    """What the request says that the answer is held against."""

    system: str = ""
    fields: Mapping[str, Any] = NOTHING
    """All of it: what stands there is nobody else's."""


class _Reader:
    """One text of an answer."""

    __slots__ = ("length", "marks", "new", "read", "seen", "text", "through")

    def __init__(self) -> None:
        self.text, self.read, self.seen = "", 0, 0
        """The text that was read, how much of it may leave, and how long it was when it was last read."""
        self.new: list[str] = []
        """What has come since: to put it to the text each time would copy all of it each time."""
        self.length = self.through = 0
        """How long it is, and was when all of it was read as one."""
        self.marks: deque[tuple[int, int]] = deque()
        """Of each piece that was not read to its end: where it ends here, and what had been said before it in all."""

    def whole(self) -> str:
        """Return all of the text."""
        self.text += "".join(self.new)
        self.new.clear()
        return self.text


class Watch:
    """Reads the texts of one answer for the policies that look at answers."""

    def __init__(self, policies: Sequence[Applying], given: Given) -> None:
        self._all = [one for one in policies if one.policy.says_that is not None]
        self._strict = [one for one in self._all if one.policy.effect == "deny" and not one.policy.shadow]
        self._given, self._shingles = given, _shingles(given.system)
        self._texts: dict[str, _Reader] = {}
        self._joined: str | None = None
        self._said = 0
        self.broken = ""
        """The policy that withholds the answer, once one does."""

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, pieces: Iterable[Piece]) -> int:
        """Take what was said; return the number by which `free_until` says whether it may leave."""
        for index, text in pieces:
            one = self._texts.setdefault(index, _Reader())
            one.new.append(text)
            one.length += len(text)
            one.marks.append((one.length, self._said))
            self._said += len(text)
            if self._strict and one.length - one.seen >= EVERY:
                self._read(one)
        return self._said

    def free_until(self) -> int:
        """Return up to which number everything that was said has been read."""
        if not self._strict:
            return self._said
        return min((one.marks[0][1] for one in self._texts.values() if one.marks), default=self._said)

    def end(self) -> None:
        """All was said: read all of it as one, so that what no part of it showed is seen before the end leaves."""
        for one in self._texts.values():
            if one.through < one.length:
                self._read(one, last=True)
                one.through = one.length

    def _read(self, one: _Reader, *, last: bool = False) -> None:
        text = one.whole()
        for policy in self._strict:
            says = policy.policy.says_that
            before = BEFORE_WORDS if says and says.system_text else BEFORE
            begin = 0 if last else _beginning(text, one.read - before)
            if not self.broken and self._found(says, text[begin:])[0]:
                self.broken = policy.name
        one.seen = len(text)
        one.read = len(text) - (0 if last else _held(text))
        while one.marks and one.marks[0][0] <= one.read:
            one.marks.popleft()

    def checks(self, *, whole: bool) -> tuple[Check, ...]:
        """Return a check for each policy that looks at answers, over all that was said.

        Args:
            whole: all of it could be read. What nobody could read is never passed.
        """
        texts = list(dict.fromkeys(one.whole() for one in self._texts.values()))  # some formats say all of it twice
        # What was read as one for a policy that withholds, and is not withheld, is not read again.
        is_read = not self.broken and all(one.through == one.length for one in self._texts.values())
        return tuple([self._check(one, [] if is_read and one in self._strict else texts, whole) for one in self._all])

    def _check(self, one: Applying, texts: Sequence[str], whole: bool) -> Check:
        results = [self._found(one.policy.says_that, text) for text in texts]
        inputs: dict[str, Any] = {"policy": one.name, "version": one.policy.version}
        for _, said in results:
            inputs |= {name: _plus(inputs.get(name), value) for name, value in said.items()}
        if not any(held for held, _ in results):
            reason = "" if whole else "not all of the answer could be read"
            return Check(f"policy:{one.name}", "pass" if whole else "flag", reason, inputs)
        if one.policy.shadow:
            would = "in shadow: would have been withheld" if one.policy.effect == "deny" else "in shadow"
            return Check(f"policy:{one.name}", "flag", would, inputs)
        return Check(f"policy:{one.name}", one.policy.effect, one.policy.says or "its conditions hold", inputs)

    def _found(self, says: Says | None, text: str) -> tuple[bool, Mapping[str, Any]]:
        """Return whether all conditions hold of a text, and what was found: counts and kinds, never what it is."""
        assert says is not None
        found: dict[str, Any] = {}
        if says.links_beside is not None:
            found["links"] = len(leaks_in(text, says.links_beside))
        if says.credentials:
            found["credentials"] = len(credentials_in(text))
        if says.personal_data:
            found["personal_data"] = self._personal(text, says)
        if says.system_text:
            words = [one.lower() for one in _WORD.findall(text)]
            every = range(len(words) - WORDS + 1)
            found["system_text"] = any(tuple(words[at : at + WORDS]) in self._shingles for at in every)
        return all(found.values()), found

    def _personal(self, text: str, says: Says) -> list[str]:
        """Return the kinds of what stands in a text and not in the request."""
        from classifiers.personal_data.found import personal_data_in

        found: dict[str, str] = {}
        for one in personal_data_in(text):
            if "any" in says.personal_data or one.type in says.personal_data:
                found.setdefault(_joined(text[one.start : one.end]), one.type)
        known = self._request() if found else ""
        compared = {value for value in list(found)[:MOST_COMPARED] if value in known}
        return sorted({kind for value, kind in found.items() if value not in compared})

    def _request(self) -> str:
        if self._joined is None:
            self._joined = _joined(orjson.dumps(dict(self._given.fields)).decode("utf-8", "replace"))
        return self._joined


def _joined(text: str) -> str:
    """Return a text without what divides numbers: `GB82 WEST 1234` and `gb82west1234` are one."""
    return _DIVIDES.sub("", text).casefold()


_DIVIDES = re.compile(r"[\s./()-]+")


def _beginning(text: str, at: int) -> int:
    """Return where to begin to read at a place or a little before it, where no word is cut if there is one near."""
    if at <= 0:
        return 0
    near = list(re.finditer(r"\s", text[max(0, at - 64) : at]))
    return max(0, at - 64) + near[-1].end() if near else at


def _held(text: str) -> int:
    """Return how many characters at the end of a text wait for what comes next."""
    tail = text[-MOST_HELD:]
    begun = tail.rfind("-----BEGIN ")
    if begun >= 0 and not _END_OF_KEY.search(tail, begun):
        return len(tail) - begun
    opened = [tail.rfind(mark) for mark, close in (("](", ")"), ("url(", ")")) if close not in tail[tail.rfind(mark) :]]
    tag = tail.rfind("<")
    opened += [tag] if tag >= 0 and _TAG.match(tail, tag) else []
    opened = [one for one in opened if one >= 0]
    return max([_held_words(tail), *(len(tail) - one for one in opened)])


def _held_words(tail: str) -> int:
    words = list(_RUN.finditer(tail[-EVERY * MOST_GROUPS :]))
    first = len(words) - 1
    while first > 0 and len(words) - first < MOST_GROUPS and _is_group(words[first - 1][0]):
        first -= 1
    if not words or (tail[-1].isspace() and not _is_group(words[-1][0])):
        return 0
    held = min(len(tail), EVERY * MOST_GROUPS) - words[first].start()
    return _of_a_run(tail) if words[first].start() == 0 else held


def _is_group(word: str) -> bool:
    """Tell whether a word may be a part of a number that is written in groups: `GB82 WEST 1234`."""
    return any(map(str.isdigit, word)) or (len(word) <= 5 and word.isupper())


def _of_a_run(tail: str) -> int:
    """Return how long the last run is, where it goes back further than was looked; one too long waits no more."""
    begin = max(tail.rfind(one) for one in (" ", "\n", "\t")) + 1
    return len(tail) - begin if begin or len(tail) < MOST_HELD else 0


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = [one.lower() for one in _WORD.findall(text)]
    return frozenset(tuple(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1))


def _plus(before: Any, more: Any) -> Any:
    if isinstance(more, list):
        return sorted({*(before or ()), *more})
    return (before or more) if isinstance(more, bool) else (before or 0) + more


def watch_of(policies: Sequence[Applying], call: Call) -> Watch:
    """Return what reads the answer of a call for the policies that apply to it."""
    if not any(one.policy.says_that for one in policies):
        return NOBODY_WATCHES
    return Watch(policies, Given(call.asked.instructions, call.asked.fields))


NOBODY_WATCHES = Watch((), Given())
"""Where no policy looks at answers."""
