"""What a person has said in a request, apart from what came from elsewhere. Pure.

Trusted are the system text and the words of a person. Results of tools, documents and files are not, also where they
stand in the turn of a person, and neither is what the model itself has said. Words that somebody pastes into a turn
of a person cannot be told from theirs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SPACES = re.compile(r"\s+")
_PERSONS = ("user", "system", "developer", None)
"""Roles of a turn; a turn of Gemini or an item of Responses may leave it out."""
_TEXTS = ("text", "input_text")


def said_in(fields: Mapping[str, Any]) -> str:
    """Return the words of persons in a request of any format, in one spelling: lower case, spaces as one.

    Parts are divided by line breaks, so that nothing is found across two of them.
    """
    return "\n".join(map(_spelt, _words(fields)))


def is_said(text: str, said: str) -> bool:
    """Tell whether a text, whole and between words, stands in what was said; an empty one stands nowhere."""
    wanted = _spelt(text)
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None


def _spelt(text: str) -> str:
    return _SPACES.sub(" ", text).strip().lower()


def _words(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in ("instructions", "system", "systemInstruction", "system_instruction", "prompt"):
        yield from _in_content(fields.get(name))
    if isinstance(fields.get("input"), str):
        yield fields["input"]
    for name in ("messages", "input", "contents"):
        turns = fields.get(name)
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, dict) and turn.get("role") in _PERSONS and turn.get("type") in (None, "message"):
                yield from _in_content(turn.get("content", turn))


def _in_content(content: Any) -> Iterator[str]:
    """Yield the texts of a content: itself, or its parts that are texts and nothing else."""
    if isinstance(content, dict):
        content = content.get("parts")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and part.get("type", "text") in _TEXTS and isinstance(part.get("text"), str):
            yield part["text"]
