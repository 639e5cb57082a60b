"""An answer in the Anthropic messages format, written in the chat-completions format."""

from typing import Any

import orjson

from gateway.dialects.anthropic_answer import MessagesTranscript
from gateway.dialects.openai_usage import count_of
from gateway.dialects.reading import answer_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.dialects.translation.chat_writing import ChatAnswer, call_of, comment_of, message_of


class MessagesWriter:
    """Writes one answer."""

    def __init__(self, created: int, wants_usage: bool) -> None:
        self._answer = ChatAnswer(created, wants_usage)
        self._said = MessagesTranscript()
        self._calls: dict[int, int] = {}
        """The number of a tool call by that of its block."""
        self._empty: set[int] = set()
        """Blocks of tool calls of which no argument has come."""
        self._signed: dict[int, dict[str, Any]] = {}

    def whole(self, body: bytes) -> bytes:
        self._said.see_whole(body)
        value = answer_in(body)
        self._name(value)
        text: list[str] = []
        reasoning: list[str] = []
        calls: list[dict[str, Any]] = []
        thoughts: list[dict[str, Any]] = []
        for block in value["content"]:
            kind = block.get("type")
            if kind == "text":
                text.append(str(block.get("text") or ""))
            elif kind in ("thinking", "redacted_thinking"):
                reasoning.append(str(block.get("thinking") or ""))
                thoughts.append(block)
            elif kind == "tool_use":
                arguments = written(block.get("input") or {}).decode()
                calls.append(call_of(str(block.get("id")), str(block.get("name")), arguments))
        more = {"thinking_blocks": thoughts} if thoughts else {}
        message = message_of(text, [one for one in reasoning if one], calls, **more)
        return self._answer.whole([(message, self._finish())], self._said.reported())

    def event(self, event: Event) -> bytes:
        if event.again:
            return b"".join(self._text(one) for one in event.raw.split(b"\n\n") if one.strip())
        self._said.see(event)
        value = event.value
        if value is None:
            return comment_of(event)
        kind = value.get("type")
        if kind == "message_start":
            self._name(value["message"])
            return self._answer.chunk({})
        if kind == "content_block_start":
            return self._begin(count_of(value.get("index")) or 0, value["content_block"])
        if kind == "content_block_delta":
            return self._piece(count_of(value.get("index")) or 0, value["delta"])
        if kind == "content_block_stop":
            return self._stop(count_of(value.get("index")) or 0)
        if kind == "message_delta" and self._said.finish:
            return self._answer.chunk({}, finish=self._finish())
        return self._answer.last(self._said.reported()) if kind == "message_stop" else b""

    def end(self) -> bytes:
        """Some servers leave out `message_stop`, others send it: then nothing is missing."""
        return b"" if self._said.finished else self._answer.last(self._said.reported())

    def _text(self, raw: bytes) -> bytes:
        value = orjson.loads(raw[raw.index(b"data:") + 5 :])
        return self._answer.chunk({"content": value["delta"]["text"]})

    def _name(self, message: dict[str, Any]) -> None:
        self._answer.id = str(message.get("id") or self._answer.id)
        self._answer.model = str(message.get("model") or self._answer.model)

    def _finish(self) -> str:
        """Whatever has no word in the chat format is an end like any other."""
        finish = self._said.finish
        return finish if finish and finish != "other" else "stop"

    def _begin(self, index: int, block: dict[str, Any]) -> bytes:
        if block.get("type") == "text" and block.get("text"):
            return self._answer.chunk({"content": block["text"]})
        if block.get("type") != "tool_use":
            return b""
        number = self._calls[index] = len(self._calls)
        given = written(block["input"]).decode() if block.get("input") else ""
        if not given:
            self._empty.add(index)
        call = call_of(str(block.get("id")), str(block.get("name")), given, index=number)
        return self._answer.chunk({"tool_calls": [call]})

    def _piece(self, index: int, delta: dict[str, Any]) -> bytes:
        kind = delta.get("type")
        if kind == "text_delta":
            return self._answer.chunk({"content": delta.get("text")})
        if kind == "thinking_delta":
            thought = self._signed.setdefault(index, {"type": "thinking", "thinking": ""})
            thought["thinking"] += str(delta.get("thinking") or "")
            return self._answer.chunk({"reasoning_content": delta.get("thinking")})
        if kind == "signature_delta":
            thought = self._signed.setdefault(index, {"type": "thinking", "thinking": ""})
            return self._answer.chunk({"thinking_blocks": [thought | {"signature": delta.get("signature")}]})
        if kind == "input_json_delta" and index in self._calls and delta.get("partial_json"):
            self._empty.discard(index)
            return self._arguments(index, str(delta["partial_json"]))
        return b""

    def _stop(self, index: int) -> bytes:
        if index not in self._empty:
            return b""
        self._empty.discard(index)
        return self._arguments(index, "{}")  # so that clients which parse them find an object

    def _arguments(self, index: int, piece: str) -> bytes:
        return self._answer.chunk({"tool_calls": [{"index": self._calls[index], "function": {"arguments": piece}}]})
