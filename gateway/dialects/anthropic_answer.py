"""What an answer in the messages format has said so far: who answered, its tool calls, its end, its usage."""

from typing import Any

import orjson

from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.openai_usage import count_of
from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import Spelling, answer_in, text_in, word_in
from gateway.dialects.sse import Event
from gateway.pricing.money import Reported

_SPELLING = Spelling("type", "content", "content_block", "name", "input", "index", "delta", "message", "partial_json")
_FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "tool_calls", "refusal": "content_filter",
}  # fmt: skip
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_CODE = "code_execution"
"""The tool of which the provider runs a bash and an editor."""


class MessagesTranscript:
    """What an answer, whole or streamed, has said so far."""

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.error: Any = None
        self.called = 0
        self.finished = False
        self._stop: str | None = None
        self._calls: dict[int, Called] = {}
        self._pieces: dict[int, list[str]] = {}
        self._usage: dict[str, Any] = {}

    @property
    def finish(self) -> str | None:
        """In the words of the chat format."""
        return _FINISHES.get(self._stop, "other") if self._stop else None

    def see_whole(self, body: bytes) -> None:
        value = _SPELLING.object_in(answer_in(body), "the answer")
        if value.get("type") == "error":
            self.error = value.get("error") or True
            return
        if not isinstance(value.get("content"), list):
            raise Unreadable("the answer is not a message")
        self._see_message(value)
        self._stop = word_in(value.get("stop_reason"))
        self.finished = True

    def see(self, event: Event) -> bool:
        if event.again:
            return self._may_end()
        if event.unreadable:
            raise Unreadable(f"an event of the answer cannot be read: {event.unreadable}")
        if event.value is None:
            if event.error:
                self.error = self.error or True
            return self._may_end()
        value = _SPELLING.object_in(event.value, "an event")
        kind = value.get("type")
        if kind == "error" or event.error:
            self.error = value.get("error") or value
        elif not isinstance(kind, str):
            raise Unreadable("an event has no type")
        else:
            self._see_piece(kind, value)
        return self._may_end()

    def _see_piece(self, kind: str, value: dict[str, Any]) -> None:
        if kind == "content_block_delta":
            delta = _SPELLING.object_in(value.get("delta"), "its delta")
            if "partial_json" in delta:
                self._pieces.setdefault(count_of(value.get("index")) or 0, []).append(text_in(delta["partial_json"]))
        elif kind == "content_block_start":
            self._see_block(count_of(value.get("index")) or 0, value.get("content_block"))
        elif kind == "message_start":
            self._see_message(_SPELLING.object_in(value.get("message"), "its message"))
        elif kind == "message_delta":
            delta = _SPELLING.object_in(value.get("delta"), "its delta")
            self._stop = word_in(delta.get("stop_reason")) or self._stop
            self._see_usage(value.get("usage"))
        elif kind == "message_stop":
            self.finished = True

    def _may_end(self) -> bool:
        return bool(self._stop or self.finished or self.error)

    def see_end(self) -> None:
        """A stream that gave its reason to stop is whole, also without `message_stop`."""
        self.finished = self.finished or self._stop is not None

    def _see_message(self, value: dict[str, Any]) -> None:
        if self.response_id is None:  # of a start that is sent twice the first counts
            self.response_id = word_in(value.get("id"))
            self.model = word_in(value.get("model"))
        for index, block in enumerate(_SPELLING.objects_in(value, "content")):
            self._see_block(index, block)
        self._see_usage(value.get("usage"))

    def _see_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            self.service_tier = word_in(usage.get("service_tier")) or self.service_tier

    def _see_block(self, index: int, block: Any) -> None:
        found = _SPELLING.object_in(block, "a block of its content")
        kind = found.get("type")
        if kind not in _CALLS:
            return
        self.called += 1
        name = text_in(found.get("name"))
        if kind == "mcp_tool_use":
            name = f"mcp:{found.get('server_name')}"
        elif kind == "server_tool_use" and name.endswith(_CODE):
            name = _CODE
        arguments = text_in(found.get("input")) if found.get("input") else ""
        self._calls[index] = Called(name, arguments, kind != "tool_use")

    def tool_calls(self) -> list[Called]:
        return [
            call._replace(arguments="".join(self._pieces.get(index, ())) or call.arguments or "{}")
            for index, call in sorted(self._calls.items())
        ]

    def reported(self) -> Reported | None:
        return read_usage(self._usage)

    def raw_usage(self) -> str | None:
        return orjson.dumps(self._usage).decode() if self._usage else None
