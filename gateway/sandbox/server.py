"""The sandbox provider: a real HTTP server in the published OpenAI wire format, with a bill of its own.

Deterministic: the same request gets the same answer. No model runs here, and the answers say so. The next calls of a
model can be told to misbehave (`POST /sandbox/behaviour`), and the bill (`GET /sandbox/bill`) counts, independently
of the gateway, what was received and what it would have cost.
"""

import asyncio
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

# pico-USD per token (input, cached, output): this server's own price list, for any model it does not name
PRICES: Mapping[str, tuple[int, int, int]] = {
    "gemini-3-flash-preview": (500_000, 50_000, 3_000_000),
    "gemini-3.1-pro-preview": (2_000_000, 200_000, 12_000_000),
    "claude-3-haiku": (250_000, 30_000, 1_250_000),
    "gpt-4o": (2_500_000, 1_250_000, 10_000_000),
}
OTHER = (1_000_000, 100_000, 4_000_000)


@dataclass(slots=True)
class Books:
    """What was received and what it cost, in the order of arrival."""

    received: list[dict[str, Any]] = field(default_factory=list)
    behaviours: dict[str, deque[dict[str, Any]]] = field(default_factory=lambda: defaultdict(deque))

    def next_behaviour(self, model: str) -> dict[str, Any]:
        waiting = self.behaviours[model]
        return waiting.popleft() if waiting else {}

    def receive(self, model: str, behaviour: Mapping[str, Any]) -> dict[str, Any]:
        line = {"model": model, "behaviour": behaviour.get("kind", "answer"), "pico_usd": 0, "usage": None}
        self.received.append(line)
        return line


def count_tokens(text: str) -> int:
    """This server's tokenizer: one token for every four UTF-8 bytes, rounded up."""
    return -(-len(text.encode()) // 4)


def bill(line: dict[str, Any], prompt: int, output: int) -> dict[str, int]:
    """Write the price of an answer into its line; returns the wire format's usage object."""
    price_in, _, price_out = PRICES.get(line["model"], OTHER)
    line["usage"] = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    line["pico_usd"] = prompt * price_in + output * price_out
    return dict(line["usage"])


def compose(body: Mapping[str, Any], behaviour: Mapping[str, Any]) -> dict[str, Any]:
    """Return the assistant's message for a request: a fixed text, or the tool call it was told to make."""
    if behaviour.get("kind") == "tool_call":
        function = {"name": behaviour["name"], "arguments": json.dumps(behaviour["arguments"], sort_keys=True)}
        call = {"id": "call_" + _digest(body)[:24], "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = " ".join(str(_last_text(body)).split())[:80]
    text = behaviour.get("text") or f"Sandbox answer, no model ran. You asked: {asked}"
    return {"role": "assistant", "content": text}


def _last_text(body: Mapping[str, Any]) -> Any:
    messages = body.get("messages") or [{}]
    return messages[-1].get("content") if isinstance(messages[-1], dict) else ""


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


async def completions(request: Request) -> Response:
    books: Books = request.app.state.books
    body = await request.json()
    model = str(body.get("model"))
    behaviour = books.next_behaviour(model)
    line = books.receive(model, behaviour)
    if behaviour.get("wait"):
        await asyncio.sleep(float(behaviour["wait"]))
    if behaviour.get("kind") == "status":
        error = {"message": "sandbox was told to fail", "type": "server_error", "param": None, "code": None}
        return JSONResponse({"error": error}, status_code=int(behaviour["status"]))
    message = compose(body, behaviour)
    answer = _envelope(body, model, len(books.received))
    line["id"] = answer["id"]
    said = message["content"] or message["tool_calls"][0]["function"]["arguments"]
    usage = bill(line, count_tokens(json.dumps(body.get("messages"))), count_tokens(said))
    if body.get("stream"):
        return StreamingResponse(_stream(answer, message, usage, body, behaviour), media_type="text/event-stream")
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(message)}
    return JSONResponse(answer | {"object": "chat.completion", "choices": [choice], "usage": usage})


def _envelope(body: Mapping[str, Any], model: str, number: int) -> dict[str, Any]:
    identifier = f"chatcmpl-sandbox-{number}-{_digest(body)[:16]}"
    return {"id": identifier, "created": 1_770_000_000, "model": model, "system_fingerprint": "sandbox"}


def _finish(message: Mapping[str, Any]) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


async def _stream(
    answer: dict[str, Any],
    message: dict[str, Any],
    usage: dict[str, int],
    body: Mapping[str, Any],
    behaviour: Mapping[str, Any],
) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event(answer | {"object": "chat.completion.chunk", "choices": [choice], "usage": None})

    yield chunk({"role": "assistant", "content": ""})
    if message.get("tool_calls"):
        yield chunk({"tool_calls": [{"index": 0} | message["tool_calls"][0]]})
    words = (message["content"] or "").split(" ")
    for number, word in enumerate(words if message["content"] else ()):
        await asyncio.sleep(float(behaviour.get("gap", 0)))
        if behaviour.get("kind") == "cut" and number == int(behaviour.get("after", 3)):
            raise ConnectionResetError("sandbox was told to cut the stream")
        yield chunk({"content": word if number == 0 else " " + word})
    yield chunk({}, _finish(message))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _event(answer | {"object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


async def behave(request: Request) -> Response:
    """Queue behaviours: {"model": .., "kind": status|cut|tool_call|answer, "times": 1, ...}."""
    order = await request.json()
    for _ in range(int(order.pop("times", 1))):
        request.app.state.books.behaviours[order["model"]].append(order)
    return JSONResponse({"queued": True})


async def show_bill(request: Request) -> Response:
    received = request.app.state.books.received
    return JSONResponse(
        {"calls": len(received), "pico_usd": sum(line["pico_usd"] for line in received), "lines": received}
    )


def create() -> Starlette:
    """Return the server as an ASGI app with empty books."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/sandbox/behaviour", behave, methods=["POST"]),
            Route("/sandbox/bill", show_bill, methods=["GET"]),
        ]
    )
    app.state.books = Books()
    return app
