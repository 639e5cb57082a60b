"""What is kept of a call with `content: redacted`: its texts with placeholders for what is found in them. Pure.

Every text that is sealed of a call comes through here, whoever said it. What nobody could read is not kept: an answer
that cannot be read, a file, an image. Names of people that no list has are not found.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from classifiers.finding import Finding, without_overlaps
from gateway.dialects.leaves import ENCODED, Leaf, Texts, leaves_of
from gateway.dialects.sse import Event, EventReader, EventTooLarge
from gateway.dialects.strict import loaded, says_twice, written
from gateway.dialects.words import decoded
from gateway.minimisation.finder import Finder, Sought
from gateway.minimisation.placeholders import Placeholders
from gateway.minimisation.replacing import replaced
from gateway.minimisation.restoring import as_changed
from gateway.policies.lately import AWAY

_IDS = frozenset({
    "model", "type", "role", "id", "call_id", "tool_call_id", "tool_use_id", "item_id", "object", "status",
    "system_fingerprint", "obfuscation", "responseId",
})  # fmt: skip
_IN_FORMAT = frozenset({"prompt", "answer"})
"""Contents in the format of the call: JSON, or events."""
_AS_THEY_ARE = frozenset({"usage"})
"""Contents without a word of anybody."""


class _Made(NamedTuple):
    """A value, as it is kept, and what was found in it."""

    value: object
    kept: object
    found: Counter[str]


class Keeping:
    """The contents of one call, from its request to its end."""

    def __init__(self, finder: Finder, sought: Sought, request: bytes) -> None:
        self._finder, self._sought = finder, sought
        self._placeholders = Placeholders(lambda: decoded(request))
        self._texts = Texts(self._text, _IDS, thoughts=True)
        self._ready: dict[str, _Made] = {}
        """What was read ahead."""
        self.found: Counter[str] = Counter()
        """How many of which kind were replaced when it was last asked."""

    async def read(self, values: Mapping[str, object]) -> None:
        """Read what is long in a thread, so that other calls go on: what was found is known when it is sealed."""
        if sum(len(one) for one in values.values() if isinstance(one, str)) > AWAY:
            self._ready = await asyncio.to_thread(lambda: {name: self._one(name, one) for name, one in values.items()})

    def values(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return contents as they are kept; what was found in them is counted in `found`."""
        ready, self._ready = self._ready, {}
        made = {
            name: ready[name] if name in ready and ready[name].value == one else self._one(name, one)
            for name, one in values.items()
        }  # fmt: skip
        self.found = sum((one.found for one in made.values()), Counter[str]())
        return {name: one.kept for name, one in made.items()}

    def _one(self, name: str, value: object) -> _Made:
        """Return one value as it is kept. Whatever stands in it, the end of a call does not depend on it."""
        self.found = Counter()
        try:
            kept = value if name in _AS_THEY_ARE else self._value(name, value)
        except Exception:  # noqa: BLE001 - what nobody could read is not kept
            kept = self._unread(str(value))
        return _Made(value, kept, self.found)

    def _value(self, name: str, value: object) -> object:
        if not isinstance(value, str):
            return self._changed(value)
        if name not in _IN_FORMAT:
            return self._text("", value)
        text = value.lstrip("\ufeff \t\r\n")
        if not text.startswith(("{", "[")):
            return self._events(value)
        try:
            inner = loaded(text)
        except orjson.JSONDecodeError:
            return self._unread(value)
        changed = self._changed(inner)
        same = changed is inner and not says_twice(text.encode("utf-8", "replace"), inner)
        return value if same else written(changed).decode("utf-8", "replace")

    def _changed(self, value: Any) -> Any:
        return self._texts.of({"": value})[""]

    def _text(self, name: str, text: str) -> str:
        if ENCODED.fullmatch(text):
            return self._unread(text)
        return replaced(text, self._finder.find(name, text, self._sought), partial(self._instead, text))

    def _instead(self, text: str, one: Finding) -> str:
        kind = "credential" if one.kind == "credential" else one.type
        self.found[kind] += 1
        return self._placeholders.of(kind, text[one.start : one.end])

    def _unread(self, text: str) -> str:
        self.found["unread"] += 1
        return f"[UNREAD: {len(text)} characters]"

    def _events(self, text: str) -> str:
        """Read a stream: what comes in pieces is looked through as one."""
        reader = EventReader(lambda _: None)
        raw = text.encode("utf-8", "replace")
        try:
            events = [*reader.feed(raw), *reader.finish()]
        except EventTooLarge:
            return self._unread(text)
        if any(one.unreadable for one in events) or not any(one.value for one in events):
            return self._unread(text)
        growing: dict[tuple[Any, ...], list[Leaf]] = {}
        for number, event in enumerate(events):
            for leaf in leaves_of(event.value, _IDS) if event.value is not None else ():
                growing.setdefault(leaf.grows or (number, id(leaf.holder), leaf.key), []).append(leaf)
        changes = [self._pieces(one) for one in growing.values()]
        changes += [self._comments(events)]
        return b"".join([as_changed(one).raw for one in events]).decode("utf-8", "replace") if any(changes) else text

    def _pieces(self, leaves: Sequence[Leaf]) -> bool:
        """Change a text that stands in several leaves; tell whether something was found in it."""
        whole = "".join(one.text for one in leaves)
        name = leaves[0].name if len(leaves) == 1 else ""
        if ENCODED.fullmatch(whole):
            found = [Finding("personal_data", "unread", 0, len(whole))]
        else:
            found = list(self._finder.find(name, whole, self._sought))
        is_json = leaves[0].in_json or whole.lstrip().startswith(("{", "["))
        if is_json and (inner := self._json(whole)) is not None:
            for leaf in leaves if inner != whole else ():
                leaf.put("")
            leaves[0].put(inner if inner != whole else leaves[0].text)
            return inner != whole
        place = first = 0
        for leaf in leaves:
            end, last = place + len(leaf.text), first
            while last < len(found) and found[last].start < end:
                last += 1
            if inside := found[first:last]:
                leaf.put(self._piece(leaf.text, place, inside, whole))
            while first < last and found[first].end <= end:
                first += 1
            place = end
        return bool(found)

    def _json(self, text: str) -> str | None:
        """Return the JSON text of arguments as it is kept; None where it is none."""
        try:
            inner = loaded(text)
        except orjson.JSONDecodeError:
            return None
        changed = self._texts.inside(inner)
        return text if changed is inner else written(changed).decode("utf-8", "replace")

    def _comments(self, events: list[Event]) -> bool:
        """Leave out comments in which something is found."""
        left = False
        for number, event in enumerate(events):
            lines = event.raw.splitlines(keepends=True)
            said = b"".join([line for line in lines if line.startswith(b":")])
            if said and self._finder.find("", said.decode("utf-8", "replace"), self._sought):
                without = b"".join([line for line in lines if not line.startswith(b":")])
                events[number], left = event._replace(raw=without if event.value is not None else b""), True
        return left

    def _piece(self, text: str, place: int, inside: Sequence[Finding], whole: str) -> str:
        """Return one piece: a value that begins in it is replaced there, and of one that goes on nothing is left."""
        parts: list[str] = []
        at = 0
        for one in without_overlaps(inside):
            parts.append(text[at : max(0, one.start - place)])
            parts.append(self._instead(whole, one) if one.start >= place else "")
            at = max(at, min(len(text), one.end - place))
        return "".join([*parts, text[at:]])
