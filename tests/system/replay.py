"""Recordings of what providers and servers send, written by hand, and what must become of each.

A file in `recordings/` maps names to recordings (`pieces` is a place for anchors). A recording has `about` and

- `stream`, a list of events, or a body: `body` (an object), `body_text`, `body_utf16`; either or both. An object is
  sent as JSON, in a stream as a data event; a text as it stands; `latin1` gives bytes. `base` is what every object
  gets unless it says otherwise, `line_end` what a newline becomes, `%DEEP%` an array within 1,199 others.
- `dialect`, else chat completions: its objects are sent without a `base`, in a stream under the name of their type.
- `request` (members beside model and messages), `status`, `headers`, `content_type`, `ends` (`cut`: not cleanly).
- `never`: texts that must not reach the client. `error`, `also`: what the client must be told.
- `expect`, or a list of them of which one must hold: the `result` (else `answered`), and of what the entry says
  `finish`, `usage` (`any`, null, counts, or a list of these), `tool_calls` (names; null is one that is not granted;
  else none), `arguments`, `cost_state` (else `provider_reported`), `stated_usd`, `reported_model` (else that of
  `base`), `service_tier` (else none), `request_ref`, `flags` (`any`, or all there are; else none), `attempts`, and the
  `status` of the answer. A list admits each of its members. `stream` is what of a stream goes to the client: all
  `without` some events, or of one that was broken off `at_most` so many events and then an error.
- `sdk`: what the openai SDK makes of it.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent / "recordings"
CHAT = "openai.chat"
HI = [{"role": "user", "content": "x"}]
ASKED: dict[str, tuple[str, dict[str, Any], str]] = {
    CHAT: ("/v1/chat/completions", {"model": "support", "messages": HI}, "model-a"),
    "openai.responses": ("/v1/responses", {"model": "support", "input": "x"}, "model-a"),
    "anthropic.messages": ("/v1/messages", {"model": "claude", "messages": HI, "max_tokens": 100}, "claude-a"),
    "gemini": ("/v1beta/models/gemini:{}", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}, "gem-a"),
}
"""Path and body of a request in each dialect, and the model that answers."""
BASE = {"id": "chatcmpl-r1", "created": 1, "model": "model-a"}
MEMBERS = {
    "about", "dialect", "stream", "body", "body_text", "body_utf16", "base", "line_end", "request", "status", "headers",
    "content_type", "ends", "never", "error", "also", "expect", "sdk",
}  # fmt: skip
EXPECTED = {
    "result", "finish", "usage", "tool_calls", "arguments", "cost_state", "stated_usd", "reported_model",
    "service_tier", "request_ref", "flags", "attempts", "status", "stream",
}  # fmt: skip
DEEP = "[" * 1200 + "]" * 1200


@dataclass(frozen=True)
class Recording:
    """One recording in one of its forms."""

    name: str
    form: str
    """`whole` or `stream`."""
    wire: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}-{self.form}"

    @property
    def streamed(self) -> bool:
        return self.form == "stream"

    @property
    def dialect(self) -> str:
        return str(self.wire.get("dialect", CHAT))

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return ASKED[self.dialect][0].format("streamGenerateContent?alt=sse" if self.streamed else "generateContent")

    @property
    def model(self) -> str:
        """The model that is asked for, or the one that the objects say has answered."""
        return str(self.wire.get("base", {}).get("model", ASKED[self.dialect][2]))

    @property
    def request(self) -> dict[str, Any]:
        """Members of the request beside model and messages."""
        flagged = self.streamed and self.dialect != "gemini"
        return self.wire.get("request", {}) | ({"stream": True} if flagged else {})

    @property
    def content_type(self) -> str:
        return str(self.wire.get("content_type", "text/event-stream" if self.streamed else "application/json"))

    @property
    def expectations(self) -> list[dict[str, Any]]:
        found = self.wire["expect"]
        return found if isinstance(found, list) else [found]

    @cached_property
    def events(self) -> list[bytes]:
        """The events of a stream as they are sent."""
        return [self._event(one) for one in self.wire["stream"]]

    @cached_property
    def body(self) -> bytes:
        """Everything that is sent."""
        if self.streamed:
            return b"".join(self.events)
        if "body_utf16" in self.wire:
            return str(self.wire["body_utf16"]).encode("utf-16")
        if "body_text" in self.wire:
            return self._bytes(self.wire["body_text"])
        return self._bytes(json.dumps(self._full(self.wire["body"], "chat.completion"), ensure_ascii=False))

    @cached_property
    def usages(self) -> list[dict[str, Any]]:
        """The usage objects on the wire that are where the dialect has them, in order."""
        if self.dialect != CHAT:
            return []
        objects = self.wire["stream"] if self.streamed else [self.wire.get("body")]
        return [one["usage"] for one in objects if isinstance(one, dict) and isinstance(one.get("usage"), dict)]

    @property
    def response_id(self) -> str | None:
        """The id that the answer has: that of its objects."""
        mine = "chatcmpl-r1" if self.dialect == CHAT else "its-id-r1"
        return mine if mine in self.body.decode("latin-1") else None

    def _event(self, one: Any) -> bytes:
        if isinstance(one, str):
            return self._bytes(one)
        if "latin1" in one:
            return str(one["latin1"]).encode("latin-1")
        named = f"event: {one['type']}\n" if self.dialect != CHAT and "type" in one else ""
        return self._bytes(
            f"{named}data: {json.dumps(self._full(one, 'chat.completion.chunk'), ensure_ascii=False)}\n\n"
        )

    def _full(self, value: dict[str, Any], kind: str) -> dict[str, Any]:
        if self.dialect != CHAT:
            return value
        return BASE | {"object": kind} | self.wire.get("base", {}) | value

    def _bytes(self, text: str) -> bytes:
        return text.replace("%DEEP%", DEEP).replace("\n", self.wire.get("line_end", "\n")).encode()


def names_by_file() -> dict[str, dict[str, dict[str, Any]]]:
    """What stands in each file."""
    found = {path.stem: dict(YAML(typ="safe").load(path)) for path in sorted(FOLDER.glob("*.yaml"))}
    return {stem: {name: wire for name, wire in held.items() if name != "pieces"} for stem, held in found.items()}


def recordings() -> list[Recording]:
    """Every recording in each of its forms."""
    found: list[Recording] = []
    for held in names_by_file().values():
        for name, wire in held.items():
            bodies = any(key.startswith("body") for key in wire)
            forms = ["whole"] * bodies + ["stream"] * ("stream" in wire)
            found += [Recording(name, form, wire) for form in forms]
    return found


def admits(expected: Any, found: Any) -> bool:
    """Tell whether a value is the expected one, or one of those that a list admits."""
    if expected == "any":
        return True
    return found in expected if isinstance(expected, list) else bool(found == expected)
