"""Reading a configuration of a LiteLLM proxy so that nothing of it is lost: what is not taken is named."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gateway.configuration.load import plain

places = tuple[Any, ...]
"""Where a value stands: keys and indexes from the top."""
_INTENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
_ENDS = ("model_list", "fallbacks", "guardrails")
"""Lists whose members are read one by one."""


@dataclass(frozen=True, slots=True)
class Note:
    """A setting that is not carried over, or not as it was."""

    place: str
    why: str


@cache
def known() -> dict[str, Any]:
    """Return how settings are written here."""
    text = resources.files("gateway.configuration").joinpath("litellm.yaml").read_text("utf-8")
    return plain(text, name="litellm.yaml")  # type: ignore[no-any-return]


class Reading:
    """A document, and what of it was taken."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._taken: set[places] = set()
        self._noted: dict[places, str] = {}

    def peek(self, *at: Any) -> Any:
        """Return what stands at a place; nothing where there is no such place."""
        node: Any = self._document
        for key in at:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def take(self, *at: Any) -> Any:
        """Return what stands at a place, which is carried over with this."""
        self._taken.add(at)
        return self.peek(*at)

    def untake(self, *at: Any) -> None:
        """Say that what stands under a place is not carried over after all."""
        self._taken = {one for one in self._taken if one[: len(at)] != at}

    def note(self, at: places, why: str) -> None:
        """Say what becomes of what stands at a place."""
        self._noted.setdefault(at, why)

    @staticmethod
    def is_intent(name: Any) -> bool:
        """Tell whether callers can send it as `model` here."""
        return isinstance(name, str) and bool(_INTENT.fullmatch(name))

    def notes(self) -> list[Note]:
        """Return one note for each value that was not taken, and those that were made; in the order of the file."""
        order, found = list(self._leaves(self._document, ())), dict(self._noted)
        for at in order:
            if not any(at[:end] in self._taken or at[:end] in self._noted for end in range(1, len(at) + 1)):
                found[at] = self._reason(at)
        rank = {at: number for number, at in enumerate(order)}
        return [
            Note(self._place(at), found[at]) for at in sorted(found, key=lambda at: (self._rank(at, rank), str(at)))
        ]

    def _rank(self, at: places, rank: dict[places, int]) -> int:
        return min((number for one, number in rank.items() if one[: len(at)] == at), default=len(rank))

    def _leaves(self, node: Any, at: places) -> Iterator[places]:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from self._leaves(value, (*at, key))
        elif isinstance(node, list) and node and not all(isinstance(one, int | float | bool) for one in node):
            for index, value in enumerate(node):
                yield from self._leaves(value, (*at, index))
        else:
            yield at

    def _reason(self, at: places) -> str:
        reasons = known()["reasons"]
        return str(next((reasons[key] for key in reversed(at) if key in reasons), reasons["default"]))

    def _place(self, at: places) -> str:
        """Return a place as people read it; values are never part of it, but for the name of a model."""
        text = ""
        for key in at:
            plain_key = "".join(one if one.isprintable() else "?" for one in str(key))[:80]
            text += f"[{key}]" if isinstance(key, int) else f".{plain_key}" if text else plain_key
        name = self.peek("model_list", at[1], "model_name") if at[:1] == ("model_list",) and len(at) > 1 else None
        return f"{text} ({name})" if self.is_intent(name) else text
