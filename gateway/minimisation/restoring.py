"""Puts values back where an answer has their placeholders, whole or as it comes. Pure.

A placeholder comes in several pieces of a stream. Events wait while one may be in the air, and for no more than that.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.dialects.leaves import Leaf, leaves_of, place_of
from gateway.dialects.sse import BOM, Event, read_event
from gateway.dialects.strict import loaded, written
from gateway.minimisation.placeholders import LIKE

_MAY_BEGIN = re.compile(rb'\[[A-Z"]')
"""Where a placeholder stands, or may begin at the end of a text."""
_ENDS = ("_stop", ".done")
"""Types of events that end a part of an answer."""
MOST_WAITING = 512
"""Events that wait for the end of a placeholder, which other parts of an answer may come between."""


class Restorer:
    """Restores one answer."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._begins = frozenset(name[:size] for name in values for size in range(1, len(name)))
        self._waiting: list[tuple[Event, bool]] = []
        """Events, and whether one was changed."""
        self._open: dict[tuple[Any, ...], list[Leaf]] = {}
        """The leaves at whose end a placeholder may have begun, by the text that goes on there."""

    def whole(self, body: bytes) -> bytes:
        """Return a whole answer with the values; as it was where it has no placeholder, or cannot be read."""
        if not LIKE.search(body.decode("utf-8", "replace")):
            return body
        try:
            value = loaded(body.removeprefix(BOM))
        except orjson.JSONDecodeError:
            return body
        changes = [self._restore(leaf, leaf.text) for leaf in leaves_of(value)]
        return written(value) if any(changes) else body

    def events(self, events: list[Event]) -> list[Event]:
        """Take events; return those that may be read, in their order."""
        for event in events:
            for one in self._apart(event):
                self._take(one)
                self._end(one)
        return [] if self._open else self._let_go()

    def _end(self, event: Event) -> None:
        """What has ended goes on no more, and nothing waits for ever for what goes on elsewhere."""
        if event.done or len(self._waiting) > MOST_WAITING:
            self._open.clear()
        elif self._open and event.value and str(event.value.get("type")).endswith(_ENDS):
            ended = place_of(event.value)
            self._open = {grows: one for grows, one in self._open.items() if grows[1 : 1 + len(ended)] != ended}

    def rest(self) -> list[Event]:
        """Return what waited when nothing more came."""
        self._open.clear()
        return self._let_go()

    def _apart(self, event: Event) -> list[Event]:
        """Return the events that one which stands for several says, where that may matter."""
        if not event.again or not (self._open or _MAY_BEGIN.search(event.raw)):
            return [event]
        return [read_event(raw + b"\n\n") for raw in event.raw.split(b"\n\n") if raw]

    def _take(self, event: Event) -> None:
        changed = False
        if event.value is not None and (self._open or _MAY_BEGIN.search(event.raw)):
            for leaf in leaves_of(event.value):
                changed = self._see(leaf) or changed
        self._waiting.append((event, changed))

    def _see(self, leaf: Leaf) -> bool:
        """Restore a text; tell whether it is another one. One that goes on may end a placeholder that has begun."""
        before = self._open.pop(leaf.grows, []) if leaf.grows else []
        if leaf.grows and leaf.text:  # the same part says something else now
            self._open = {grows: one for grows, one in self._open.items() if grows[:-1] != leaf.grows[: len(grows) - 1]}
        begun = self._tail("".join([one.holder[one.key] for one in before]))
        if begun and begun + leaf.text in self._begins:
            self._open[leaf.grows] = [*before, leaf]
            return False
        ended = LIKE.match(begun + leaf.text) if begun else None
        if ended is None or ended[0] not in self._values or leaf.thought:
            changed = self._restore(leaf, leaf.text)
        else:
            text = begun + leaf.text
            for one in reversed(before):  # what had begun there goes on here as one
                said = one.holder[one.key]
                size = min(len(said), len(begun))
                self._changed(one, said[: len(said) - size])
                begun = begun[: len(begun) - size]
            changed = self._restore(leaf, text)
        if leaf.grows and self._tail(leaf.holder[leaf.key]):
            self._open[leaf.grows] = [leaf]
        return changed

    def _changed(self, leaf: Leaf, text: str) -> None:
        """Change a text of an event that waits."""
        leaf.put(text)
        for at, (event, _) in enumerate(self._waiting):
            if _holds(event.value, leaf.holder):
                self._waiting[at] = (event, True)

    def _restore(self, leaf: Leaf, text: str) -> bool:
        """Put a text in the place of a leaf, with the values; tell whether it is another one."""
        if not leaf.thought and "[" in text:
            text = LIKE.sub(lambda found: self._value(found[0], leaf.in_json), text)
        if text != leaf.text:
            leaf.put(text)
        return text != leaf.text

    def _value(self, name: str, in_json: bool) -> str:
        value = self._values.get(name)
        if value is None:
            return name
        return json.dumps(value, ensure_ascii=False)[1:-1] if in_json else value

    def _tail(self, text: str) -> str:
        """Return the end of a text with which a placeholder may begin."""
        at = text.rfind("[")
        return text[at:] if at >= 0 and text[at:] in self._begins else ""

    def _let_go(self) -> list[Event]:
        waiting, self._waiting = self._waiting, []
        return [as_changed(event) if changed else event for event, changed in waiting]


def _holds(value: Any, holder: Any) -> bool:
    if value is holder:
        return True
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds(one, holder) for one in inside if isinstance(one, dict | list))


def as_changed(event: Event) -> Event:
    """Return an event whose value was changed, in bytes again."""
    if event.value is None:
        return event
    text = event.raw.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = [line for line in text.split(b"\n") if line]
    if not any(line.startswith((b"data", b"error:")) for line in lines):  # an error that came as a body
        return event._replace(raw=written(event.value) + b"\n\n", again=False)
    name = b"data: " if any(line.startswith(b"data") for line in lines) else b"error: "
    value = event.value if name == b"data: " else event.value.get("error")
    others = [line for line in lines if line.startswith((b"event:", b"id:", b"retry:"))]
    raw = b"\n".join([*others, name + written(value), b"", b""])
    return event._replace(raw=raw, again=False)
