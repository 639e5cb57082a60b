"""The text that an answer of any format says, whole or by an event of a stream. Pure.

It is read by its members, wherever they stand: what one client does not look at another one shows. What a model thinks
aloud, the arguments of tools and what tools of the provider gave back are none of it.
"""

from collections.abc import Iterator
from typing import Any

from gateway.dialects.sse import Event, read_event

Piece = tuple[str, str]
"""Which text of the answer goes on, and how: that of a choice, or one that says again what was said before."""
_TEXTS = frozenset({"text", "content", "delta", "refusal", "output_text", "transcript", "cited_text"})
_ADDRESSES = frozenset({"url", "uri"})
_OTHERS = frozenset({
    "thinking", "reasoning", "reasoning_content", "summary", "arguments", "partial_json", "input", "tool_calls",
    "function_call", "functionCall", "logprobs", "logprobsResult", "usage", "usageMetadata", "groundingMetadata",
    "citationMetadata", "tools", "instructions", "metadata", "prompt",
})  # fmt: skip
_NO_TEXT = ("thinking", "reasoning", "_call", "_result", "_output", "tool_use", "_delta_json")
_AGAIN = (".done", ".added", ".completed", ".incomplete", ".failed", ".created", ".in_progress")


def pieces_of(event: Event) -> Iterator[Piece]:
    """Yield the texts of an event, also of one that stands for several in a row."""
    if not event.again:
        yield from said_in(event.value)
        return
    first, *others = [raw for raw in event.raw.split(b"\n\n") if raw]
    said = list(said_in(read_event(first + b"\n\n").value))
    yield from said
    place = b'"%b"' % said[0][1].encode() if len(said) == 1 else b""
    if others and place and first.count(place) == 1:  # they differ in their text alone, which ends at a quotation mark
        begin = first.index(place) + 1
        text = b"".join([raw[begin : raw.index(b'"', begin)] for raw in others])
        yield said[0][0], text.decode("utf-8", "replace")
    else:
        for raw in others:
            yield from said_in(read_event(raw + b"\n\n").value)


def said_in(value: Any) -> Iterator[Piece]:
    """Yield the texts of a whole answer or of one event."""
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and ("function_call" in kind or "reasoning" in kind or "_call" in kind):
        return
    again = kind if isinstance(kind, str) and kind.endswith(_AGAIN) else ""
    yield from _said(value, again, 0)


def _said(value: Any, index: str, depth: int) -> Iterator[Piece]:
    if depth > MOST_DEPTH or not isinstance(value, dict):
        return
    kind = value.get("type")
    if value.get("thought") is True or (depth and isinstance(kind, str) and kind.endswith(_NO_TEXT)):
        return
    for name, member in value.items():
        if isinstance(member, str):
            if name in _TEXTS and member:
                yield index, member
            elif name in _ADDRESSES:
                yield f"{index} address", f" {member} "
        elif name not in _OTHERS:
            for number, one in enumerate(member if isinstance(member, list) else [member]):
                if isinstance(one, str) and name in _TEXTS:
                    yield index, one
                choice = f"{index}{one.get('index', number)}" if name in _CHOICES and isinstance(one, dict) else index
                yield from _said(one, choice, depth + 1)


_CHOICES = frozenset({"choices", "candidates"})
MOST_DEPTH = 40
