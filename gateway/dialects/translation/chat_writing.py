"""Answers in the chat-completions format, written from what a provider of another format said."""

from collections.abc import Sequence
from typing import Any

from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.pricing.money import Reported

DONE = b"data: [DONE]\n\n"


def comment_of(event: Event) -> bytes:
    """Return an event that carries nothing as it is, so that a connection is kept alive; nothing for any other."""
    return event.raw if event.raw.startswith(b":") and b"data" not in event.raw else b""


class ChatAnswer:
    """The members that every part of one answer shares."""

    def __init__(self, created: int, wants_usage: bool) -> None:
        """`created`: Unix seconds. `wants_usage`: the client asked for the usage of a stream."""
        self.id = "chatcmpl-none"
        self.model = "unknown"
        self._created, self._wants_usage = created, wants_usage
        self._begun: set[int] = set()

    def chunk(self, delta: dict[str, Any], *, index: int = 0, finish: str | None = None) -> bytes:
        """Return an event; the first one of a choice names the role."""
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", "content": "", **delta}
        return self._event([{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}], None)

    def last(self, reported: Reported | None) -> bytes:
        """Return what a stream ends with: its usage, if it was asked for, and the mark."""
        usage = usage_of(reported)
        return (self._event([], usage) if self._wants_usage and usage else b"") + DONE

    def _event(self, choices: list[dict[str, Any]], usage: Any) -> bytes:
        value = self._head("chat.completion.chunk") | {"choices": choices}
        if self._wants_usage:
            value["usage"] = usage
        return b"data: " + written(value) + b"\n\n"

    def whole(self, choices: Sequence[tuple[dict[str, Any], str]], reported: Reported | None) -> bytes:
        """Return an answer that is not streamed: (message, finish reason) of each choice."""
        said = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
            for index, (message, finish) in enumerate(choices)
        ]
        return written(self._head("chat.completion") | {"choices": said, "usage": usage_of(reported)})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self._created, "model": self.model}


def message_of(text: list[str], reasoning: list[str], calls: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return the message of a whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text) if text or not calls else None}
    message["refusal"] = None
    if reasoning:
        message["reasoning_content"] = "".join(reasoning)
    if calls:
        message["tool_calls"] = calls
    return message | more


def call_of(identifier: str, name: str, arguments: str, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": identifier, "type": "function", "function": function} | more


def usage_of(reported: Reported | None) -> dict[str, Any] | None:
    """Return the counts as the chat format has them: parts of the prompt and of the output are counted in both."""
    if reported is None:
        return None
    usage = reported.usage
    written = usage.cache_write + sum(count for kind, count in usage.others if kind == "cache_write_1h")
    prompt = usage.all_input
    return {
        "prompt_tokens": prompt, "completion_tokens": usage.output, "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }  # fmt: skip
