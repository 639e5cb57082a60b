"""Streams of the same text in each wire format, as the mock providers send them."""

import json
from collections.abc import Iterator
from typing import Any

EVENTS = 30
WORD = " and another word"


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def typed(events: Iterator[dict[str, Any]]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), compact(one)) for one in events)


def chat() -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock"}
    parts: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": WORD}, "finish_reason": None}]} for _ in range(EVENTS)
    ]
    parts.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    parts.append({"choices": [], "usage": {"prompt_tokens": 500, "completion_tokens": 90, "total_tokens": 590}})
    return b"".join(b"data: %b\n\n" % compact(head | one) for one in parts) + b"data: [DONE]\n\n"


def responses() -> Iterator[dict[str, Any]]:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": []}
    usage = {"input_tokens": 500, "output_tokens": 90, "total_tokens": 590}
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "mock", "output": [item]}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "sequence_number": 0, "response": response | {"output": []}}
    yield {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item}
    for number in range(EVENTS):
        yield {"type": "response.output_text.delta", "sequence_number": number + 2, "delta": WORD} | where
    yield {"type": "response.completed", "sequence_number": EVENTS + 2, "response": response | {"usage": usage}}


def messages() -> Iterator[dict[str, Any]]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    yield {"type": "message_start", "message": message | {"usage": {"input_tokens": 500, "output_tokens": 1}}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for _ in range(EVENTS):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORD}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 90}}
    yield {"type": "message_stop"}


def generated() -> bytes:
    said = []
    for number in range(EVENTS):
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": WORD}]}, "index": 0}
        if number == EVENTS - 1:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 500, "candidatesTokenCount": 3 * number + 3, "totalTokenCount": 503 + 3 * number}
        said.append({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gem", "responseId": "gem_1"})
    return b"".join(b"data: %b\r\n\r\n" % compact(one) for one in said)
