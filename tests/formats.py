"""What providers answer in each wire format, whole and streamed, as scripted upstreams send it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

RESPONSE_USAGE = {
    "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15,
}  # fmt: skip
MESSAGE_USAGE = {
    "input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "output_tokens": 5,
    "service_tier": "standard",
}  # fmt: skip
GEMINI_USAGE = {
    "promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 2,
    "totalTokenCount": 15,
}  # fmt: skip


def typed(value: dict[str, Any]) -> bytes:
    """An event that is named by its type."""
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode()


def data(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


def response(text: str = "hello", *items: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": None, "model": "model-a",
        "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "tools": [],
        "tool_choice": "auto", "temperature": 1, "top_p": 1, "output": [*items, message], "usage": RESPONSE_USAGE,
    } | more  # fmt: skip


def function_call(name: str = "lookup", arguments: str = '{"a":1}', key: str = "fc_1") -> dict[str, Any]:
    return {
        "id": key, "type": "function_call", "call_id": f"call_{key}", "name": name, "arguments": arguments,
        "status": "completed",
    }  # fmt: skip


def response_events(text: str = "hello", *items: dict[str, Any], **more: Any) -> list[bytes]:
    done = response(text, *items, **more)
    begun = done | {"status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun},
    ]  # fmt: skip
    for index, item in enumerate(done["output"]):
        events += [{"type": "response.output_item.added", "output_index": index, "item": _begun(item)}]
        where = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            events.append({"type": "response.content_part.added", "content_index": 0, "part": part} | where)
            events += [
                {"type": "response.output_text.delta", "content_index": 0, "delta": letter, "logprobs": []} | where
                for letter in text
            ]
            events += [
                {"type": "response.output_text.done", "content_index": 0, "text": text, "logprobs": []} | where,
                {"type": "response.content_part.done", "content_index": 0, "part": part | {"text": text}} | where,
            ]
        elif item["type"] == "function_call":
            kind = "response.function_call_arguments"
            events += [{"type": f"{kind}.delta", "delta": piece} | where for piece in item["arguments"]]
            events.append({"type": f"{kind}.done", "arguments": item["arguments"], "name": item["name"]} | where)
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": f"response.{done['status']}", "response": done})
    return [typed(one | {"sequence_number": number}) for number, one in enumerate(events)]


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    empty = {"content": []} if item["type"] == "message" else {"arguments": ""} if "arguments" in item else {}
    return item | empty | {"status": "in_progress"}


def message(text: str = "hello", *blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    called = any(one["type"] == "tool_use" for one in blocks)
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-a",
        "content": [{"type": "text", "text": text}, *blocks], "stop_reason": "tool_use" if called else "end_turn",
        "stop_sequence": None, "usage": MESSAGE_USAGE,
    } | more  # fmt: skip


def tool_use(name: str = "lookup", said: dict[str, Any] | None = None, kind: str = "tool_use") -> dict[str, Any]:
    return {"type": kind, "id": "toolu_1", "name": name, "input": {"a": 1} if said is None else said}


def message_events(text: str = "hello", *blocks: dict[str, Any], **more: Any) -> list[bytes]:
    whole = message(text, *blocks, **more)
    usage = whole["usage"]
    start = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        text_block = block["type"] == "text"
        empty = block | ({"text": ""} if text_block else {"input": {}})
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        pieces = block["text"] if text_block else json.dumps(block["input"]) if block["input"] else ""
        name, kind = ("text", "text_delta") if text_block else ("partial_json", "input_json_delta")
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}} for piece in pieces
        ]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    counts = {name: usage[name] for name in ("input_tokens", "cache_read_input_tokens", "output_tokens")}
    events.append({"type": "message_delta", "delta": delta, "usage": counts})
    return [typed(one) for one in [*events, {"type": "message_stop"}]]


def generated(text: str = "hello", *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    candidate = {
        "content": {"role": "model", "parts": [{"text": text}, *parts]}, "finishReason": "STOP", "index": 0,
    }  # fmt: skip
    return {
        "candidates": [candidate], "usageMetadata": GEMINI_USAGE, "modelVersion": "gemini-a", "responseId": "gem_1",
    } | more  # fmt: skip


def call_part(name: str = "lookup", args: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"a": 1} if args is None else args}, "thoughtSignature": "c2ln"}


def generated_events(text: str = "hello", *parts: dict[str, Any], **more: Any) -> list[bytes]:
    whole = generated(text, *parts, **more)
    pieces: list[dict[str, Any]] = [{"text": letter} for letter in text] + list(parts)
    events = []
    for number, piece in enumerate(pieces):
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [piece]}, "index": 0}
        usage = GEMINI_USAGE | {"candidatesTokenCount": 1, "totalTokenCount": 13}
        if number == len(pieces) - 1:
            candidate["finishReason"], usage = whole["candidates"][0]["finishReason"], whole["usageMetadata"]
        events.append(whole | {"candidates": [candidate], "usageMetadata": usage})
    return [data(one) for one in events]


VECTORS = {
    "object": "list", "model": "model-e", "usage": {"prompt_tokens": 10, "total_tokens": 10},
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
}  # fmt: skip
TEXT = {
    "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "model-a",
    "choices": [{"index": 0, "text": "hello", "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}  # fmt: skip


def text_events() -> list[bytes]:
    head = {name: TEXT[name] for name in ("id", "object", "created", "model")}
    parts: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "text": letter, "finish_reason": None, "logprobs": None}]} for letter in "hello"
    ]
    parts += [{"choices": [{"index": 0, "text": "", "finish_reason": "stop", "logprobs": None}]}]
    parts += [{"choices": [], "usage": TEXT["usage"]}]
    return [b"data: " + json.dumps(head | one).encode() + b"\n\n" for one in parts] + [b"data: [DONE]\n\n"]


def streamed(events: list[bytes], *, cut: bool = False) -> Response:
    async def body() -> AsyncIterator[bytes]:
        for one in events:
            yield one
            await asyncio.sleep(0)
        if cut:
            raise ConnectionResetError

    return StreamingResponse(body(), media_type="text/event-stream")


def usual(request: Request, body: dict[str, Any]) -> Response | None:
    """What a provider answers at a path of another format than chat completions; None for that one."""
    path = request.url.path
    if path.endswith("/responses"):
        return streamed(response_events()) if body.get("stream") else JSONResponse(response())
    if path.endswith("/count_tokens"):
        return JSONResponse({"input_tokens": 10})
    if path.endswith("/messages"):
        return streamed(message_events()) if body.get("stream") else JSONResponse(message())
    if path.endswith(":countTokens"):
        return JSONResponse({"totalTokens": 10})
    if path.endswith(":embedContent"):
        return JSONResponse({"embedding": {"values": [0.25]}, "usageMetadata": {"promptTokenCount": 10}})
    if path.endswith("EmbedContents"):
        return JSONResponse({"embeddings": [{"values": [0.25]}], "usageMetadata": {"promptTokenCount": 10}})
    if ":" in path:
        return streamed(generated_events()) if "stream" in path.lower() else JSONResponse(generated())
    if path.endswith("/embeddings"):
        return JSONResponse(VECTORS)
    if path.endswith("/v1/completions"):
        return streamed(text_events()) if body.get("stream") else JSONResponse(TEXT)
    return None
