"""What an answer in the messages format has said so far: who answered, its tool calls, its end, its usage."""

from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.openai_usage import count_of
from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import Heard, Spelling, answer_in, text_in, type_of, word_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.pricing.money import Reported

_SPELLING = Spelling(
    "type", "content", "content_block", "name", "input", "index", "delta", "message", "partial_json", "stop_reason",
    "server_name", "toolset_name",
)  # fmt: skip
_FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "tool_calls", "refusal": "content_filter",
}  # fmt: skip
_HOLDS = {
    "message_start": "message", "content_block_start": "content_block", "content_block_delta": "delta",
    "message_delta": "delta",
}  # fmt: skip
"""In which member an event says something."""
_CODE = "code_execution"
"""The tool of which the provider runs a bash and an editor."""


@dataclass(slots=True)
class _Call:
    """A tool call as far as it has come."""

    index: int
    name: str
    arguments: str
    provider_run: bool
    pieces: list[str] = field(default_factory=list)


class MessagesTranscript(Heard):
    """What an answer, whole or streamed, has said so far."""

    def __init__(self) -> None:
        super().__init__()
        self._stop: str | None = None
        self._calls: list[_Call] = []
        self._begun = self._counted = False
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
        self.finished = self._counted = True

    def see(self, event: Event) -> bool:
        if event.again:
            return self._may_end()
        if event.unreadable:
            raise Unreadable(f"an event of the answer cannot be read: {event.unreadable}")
        if event.value is None:
            if event.error:
                self.error = self.error or True
            return event.done or self._may_end()
        value = _SPELLING.object_in(event.value, "an event")
        if event.error or (kind := type_of(event, value)) == "error":
            self.error = value.get("error") or value
        else:
            self._see_piece(kind, value)
        return self._may_end()

    def _see_piece(self, kind: str, value: dict[str, Any]) -> None:
        """By its members, whatever its type: some client reads them all the same."""
        index = count_of(value.get("index")) or 0
        for name, see in (
            ("message", self._see_message),
            ("content_block", self._see_block),
            ("delta", self._see_delta),
        ):
            if name == _HOLDS.get(kind) or isinstance(value.get(name), dict):
                see(_SPELLING.object_in(value.get(name), f"its {name}"), index)
        if kind == "message_delta":
            self._see_usage(usage := value.get("usage"))
            self._counted = self._counted or (
                isinstance(usage, dict) and count_of(usage.get("output_tokens")) is not None
            )
        if kind == "message_stop":
            if not self._stop:
                raise Unreadable("it ends without a reason to stop")
            self.finished = True

    def _see_delta(self, delta: dict[str, Any], index: int) -> None:
        if "partial_json" in delta:
            call = next((one for one in reversed(self._calls) if one.index == index), None)
            if call is None:  # nobody has said whose arguments these are
                self.called += 1
                self._calls.append(call := _Call(index, "", "", False))
            call.pieces.append(text_in(delta["partial_json"]))
        self._stop = word_in(delta.get("stop_reason")) or self._stop

    def _may_end(self) -> bool:
        return bool(self._stop or self.finished or self.error)

    def see_end(self) -> None:
        """A stream that gave its reason to stop is whole, also without `message_stop`."""
        self.finished = self.finished or self._stop is not None

    def _see_message(self, value: dict[str, Any], _index: int = 0) -> None:
        for index, block in enumerate(_SPELLING.objects_in(value, "content")):
            self._see_block(block, index)
        if self._begun:  # of a start that is sent twice the first counts; it resets nothing
            return
        self._begun = True
        self.response_id = word_in(value.get("id"))
        self.model = word_in(value.get("model"))
        self._see_usage(value.get("usage"))

    def _see_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            self.service_tier = word_in(usage.get("service_tier")) or self.service_tier

    def _see_block(self, found: dict[str, Any], index: int) -> None:
        kind = found.get("type")
        if not isinstance(kind, str):
            raise Unreadable("a block of its content has no type")
        if not kind.endswith("tool_use"):
            return
        self.called += 1
        name = text_in(found.get("name"))
        if kind == "mcp_tool_use":
            name = f"mcp:{found.get('server_name')}"
        elif kind == "server_tool_use" and name.endswith(_CODE):
            name = _CODE
        elif (toolset := found.get("toolset_name")) is not None:
            name = f"{text_in(toolset)}:{name}"
        arguments = text_in(found.get("input")) if found.get("input") else ""
        self._calls.append(_Call(index, name, arguments, kind != "tool_use"))

    def tool_calls(self) -> list[Called]:
        """Each start of a block is a call of its own, also where two have one number: clients take both."""
        return [
            Called(one.name, "".join(one.pieces) or one.arguments or "{}", one.provider_run)
            for one in sorted(self._calls, key=lambda one: one.index)
        ]

    def reported(self) -> Reported | None:
        """A stream that ended without its last count has said only what it began with."""
        return read_usage(self._usage) if self._counted or not self.finished else None

    def raw_usage(self) -> str | None:
        return written(self._usage).decode() if self._usage else None
