"""What an answer gives away: read as it comes, so that nothing of it leaves before it was read. Pure.

Of a stream the text leaves in runs: what is still being written (an address, a key, a number in groups) waits until it
has ended, and no run waits for longer than `MOST_HELD` characters of it. So a finding that is no longer than that
leaves whole or not at all.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from classifiers.credentials.found import credentials_in
from classifiers.leaks.links import leaks_in
from gateway.call import Call, Check
from gateway.configuration.policies import Says
from gateway.dialects.saying import Piece
from gateway.dialects.words import decoded
from gateway.policies.evaluating import Applying

EVERY = 128
"""Characters after which a text that goes on is read again."""
BEFORE = 256
"""Characters before what is new that are read with it."""
MOST_HELD, MOST_GROUPS = 4096, 12
"""Characters of the end of a text that wait for what comes next, and words with figures among them."""
_BEGINS, _ENDS = "-----BEGIN ", "-----END "
_RUN = re.compile(r"\S+")
WORDS = 12
"""Words in a row that stand in the system text and in the answer, from which on it gives that text away."""
_WORD = re.compile(r"\w+")


class Given(NamedTuple):
    """What the request says that the answer is held against."""

    system: str = ""
    request: str = ""
    """All of it, as it was sent: what stands there is nobody else's."""


class _Reader:
    """One text of an answer."""

    __slots__ = ("marks", "read", "text")

    def __init__(self) -> None:
        self.text, self.read = "", 0
        self.marks: deque[tuple[int, int]] = deque()
        """Of each piece that was not read to its end: where it ends here, and what had been said before it in all."""


class Watch:
    """Reads the texts of one answer for the policies that look at answers."""

    def __init__(self, policies: Sequence[Applying], given: Given) -> None:
        self._all = [one for one in policies if one.policy.says_that is not None]
        self._strict = [one for one in self._all if one.policy.effect == "deny" and not one.policy.shadow]
        self._given, self._shingles = given, _shingles(given.system)
        self._texts: dict[str, _Reader] = {}
        self._said = 0
        self.broken = ""
        """The policy that withholds the answer, once one does."""

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, pieces: Iterable[Piece]) -> int:
        """Take what was said; return the number by which `free_until` says whether it may leave."""
        for index, text in pieces:
            one = self._texts.setdefault(index, _Reader())
            one.text += text
            one.marks.append((len(one.text), self._said))
            self._said += len(text)
            if self._strict and len(one.text) - one.read >= EVERY:
                self._read(one)
        return self._said

    def free_until(self) -> int:
        """Return up to which number everything that was said has been read."""
        if not self._strict:
            return self._said
        return min((one.marks[0][1] for one in self._texts.values() if one.marks), default=self._said)

    def end(self) -> None:
        """All was said: read what waits."""
        for one in self._texts.values():
            if one.marks:
                self._read(one, last=True)

    def _read(self, one: _Reader, *, last: bool = False) -> None:
        begin = one.text.rfind(" ", 0, max(0, one.read - BEFORE)) + 1
        for policy in self._strict:
            if not self.broken and self._found(policy.policy.says_that, one.text[begin:])[0]:
                self.broken = policy.name
        one.read = len(one.text) - (0 if last else _held(one.text))
        while one.marks and one.marks[0][0] <= one.read:
            one.marks.popleft()

    def checks(self, *, whole: bool) -> tuple[Check, ...]:
        """Return a check for each policy that looks at answers, over all that was said.

        Args:
            whole: all of it could be read. What nobody could read is never passed.
        """
        # Some formats say all of it twice; what was read to its end for a policy that withholds is not read again.
        texts = list(dict.fromkeys(one.text for one in self._texts.values()))
        is_read = not self.broken and not any(one.marks for one in self._texts.values())
        return tuple([self._check(one, [] if is_read and one in self._strict else texts, whole) for one in self._all])

    def _check(self, one: Applying, texts: Sequence[str], whole: bool) -> Check:
        results = [self._found(one.policy.says_that, text) for text in texts]
        inputs: dict[str, Any] = {"policy": one.name, "version": one.version}
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

        kinds = {
            one.type for one in personal_data_in(text)
            if ("any" in says.personal_data or one.type in says.personal_data)
            and text[one.start : one.end] not in self._given.request
        }  # fmt: skip
        return sorted(kinds)


def _held(text: str) -> int:
    """Return how many characters at the end of a text wait for what comes next."""
    tail = text[-MOST_HELD:]
    begun = tail.rfind(_BEGINS)
    if begun >= 0 and _ENDS not in tail[begun:]:
        return len(tail) - begun
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
    return Watch(policies, Given(call.asked.instructions, decoded(call.body)))


NOBODY_WATCHES = Watch((), Given())
"""Where no policy looks at answers."""
