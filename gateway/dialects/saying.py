"""The text that an answer of any format says, whole or by an event of a stream. Pure.

What a model thinks aloud and the arguments of tools are none of it: clients show neither as the answer.
"""

from collections.abc import Iterator
from typing import Any

from gateway.dialects.sse import Event, read_event

Piece = tuple[str, str]
"""Which text of the answer goes on, and how: an answer may have several choices or blocks."""
_DELTAS = ("response.output_text.delta", "response.refusal.delta")
_ENDS = ("response.completed", "response.incomplete")


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
    if not isinstance(value, dict):
        return
    kind = value.get("type")
    if kind in _DELTAS:
        yield from _text(f"{value.get('output_index')}.{value.get('content_index')}", value.get("delta"))
    elif kind in _ENDS:  # all of it once more, for whoever reads the end alone
        yield from said_in(value.get("response"))
    elif kind in ("content_block_start", "content_block_delta"):
        block = value.get("content_block") if kind == "content_block_start" else value.get("delta")
        yield from _text(str(value.get("index")), block.get("text") if isinstance(block, dict) else None)
    elif kind == "message":
        yield from _blocks("", value.get("content"))
    for number, choice in enumerate(_objects(value.get("choices"))):
        said = choice.get("delta") or choice.get("message") or choice
        if isinstance(said, dict):
            index = str(choice.get("index", number))
            yield from _blocks(index, said.get("content"))
            yield from _text(index, said.get("text"))
            yield from _text(index, said.get("refusal"))
    for number, candidate in enumerate(_objects(value.get("candidates"))):
        content = candidate.get("content")
        parts = _objects(content.get("parts")) if isinstance(content, dict) else []
        for part in parts:
            yield from _text(str(candidate.get("index", number)), None if part.get("thought") else part.get("text"))
    if value.get("object") == "response":
        for number, item in enumerate(_objects(value.get("output"))):
            if item.get("type") == "message":
                yield from _blocks(f"whole {number}", item.get("content"))


def _blocks(index: str, content: Any) -> Iterator[Piece]:
    yield from _text(index, content)
    for number, block in enumerate(_objects(content)):
        if block.get("type") in ("text", "output_text", "refusal"):
            yield from _text(f"{index} {number}", block.get("text") or block.get("refusal"))


def _text(index: str, text: Any) -> Iterator[Piece]:
    if isinstance(text, str) and text:
        yield index, text


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
