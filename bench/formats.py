"""`python -m bench.formats`: what a stream costs the gateway in each wire format, beside one of chat completions.

One provider in a process of its own answers every format with as many events of text, in one write; callers keep their
connections. CPU is that of the gateway's process alone, so the provider, which is written in Python, does not count.
"""

import asyncio
import json
import multiprocessing
import shutil
import statistics
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rig import home
from bench.rig.asking import serving
from bench.rig.compare import conditions
from bench.rig.load import MODEL
from bench.rig.processes import cpu_seconds, stop_all
from gateway.demo.world import free_port
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.settings import read_settings
from gateway.store.installation import opened

EVENTS, CALLERS = 30, 8
WORD = " and another word"
MORE = """
  messages: {{base_url: "http://127.0.0.1:{port}/v1", models: ["claude*"], dialects: anthropic.messages, price: {{input: 1, output: 4}}}}
  generating: {{base_url: "http://127.0.0.1:{port}/v1beta", models: ["gem*"], dialects: gemini, price: {{input: 1, output: 4}}}}
environments:"""
ROUTES = """routes:
  - {intent: claude, primary: claude, max_retries: 0}
  - {intent: gem, primary: gem, max_retries: 0}
"""
USER = {"role": "user", "content": "x" * 2000}
CHAT = {"messages": [USER], "stream": True}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat completions": ("/v1/chat/completions", {"model": MODEL, **CHAT}),
    "Responses": ("/v1/responses", {"model": MODEL, "input": [USER], "stream": True}),
    "Anthropic messages": ("/v1/messages", {"model": "claude", "max_tokens": 99, **CHAT}),
    "Gemini": (
        "/v1beta/models/gem:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": USER["content"]}]}]},
    ),
    "chat to Anthropic": ("/v1/chat/completions", {"model": "claude", **CHAT}),
    "chat to Gemini": ("/v1/chat/completions", {"model": "gem", **CHAT}),
}


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


def provide(port: int) -> None:
    """Answer every format; runs in a process of its own."""
    streams = {
        b"/v1/chat": chat(), b"/v1/resp": typed(responses()), b"/v1/mess": typed(messages()), b"/v1beta/": generated()
    }  # fmt: skip
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b"
    ready = {path: head % (len(body), body) for path, body in streams.items()}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked, length = line.split(b" ")[1][:8], 0
            while (field := await reader.readline()) not in (b"\r\n", b""):
                if field.lower().startswith(b"content-length"):
                    length = int(field.split(b":")[1])
            await reader.readexactly(length)
            writer.write(ready[asked])

    async def listen() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(listen())


async def ask(port: int, key: str, path: str, body: dict[str, Any], count: int) -> int:
    """Ask so many times over connections that are kept; return how many answers were whole."""
    left, whole = iter(range(count)), 0

    async def caller() -> None:
        nonlocal whole
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = compact(body)
        head = f"POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\ncontent-length: {len(said)}\r\n\r\n"
        for _ in left:
            writer.write(head.encode() + said)
            status = await reader.readuntil(b"\r\n\r\n")
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
            whole += b" 200 " in status.partition(b"\r\n")[0]
        writer.close()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return whole


def configured(folder: Path, port: int) -> str:
    """Make an installation that knows a provider of every format; return a key of it."""
    keys, _ = home.prepare(folder / "home", port, {})
    with opened(read_settings(folder / "home", environment={})) as installation:
        text = installation.vault.text(acts.active_configuration(installation)[1]) or ""
        more = text.replace("environments:", MORE.format(port=port).strip("\n"), 1)
        token = by_name(installation, "ada", None)
        acts.activate(installation, token, more.replace("routes:\n", ROUTES, 1), "to measure")
        acts.release(installation, token, "full", "to measure")
    return keys["full"]


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    folder, upstream = Path(tempfile.mkdtemp(prefix="whyledger-formats-")), free_port()
    provider = multiprocessing.Process(target=provide, args=(upstream,), daemon=True)
    provider.start()
    spent: dict[str, list[float]] = {name: [] for name in FORMS}
    rates: dict[str, list[float]] = {name: [] for name in FORMS}
    try:
        key = configured(folder, upstream)
        conditions(folder)
        with serving(folder) as (port, pid):
            for turn in range(chosen.rounds + 1):  # the first one warms up
                for name, (path, body) in FORMS.items():
                    used, began = cpu_seconds(pid), time.perf_counter()
                    whole = asyncio.run(ask(port, key, path, body, chosen.streams))
                    if whole != chosen.streams:
                        raise SystemExit(f"{name}: {chosen.streams - whole} of {chosen.streams} streams failed")
                    if turn:
                        spent[name].append((cpu_seconds(pid) - used) / whole * 1e6)
                        rates[name].append(whole / (time.perf_counter() - began))
        _print(spent, rates)
    finally:
        provider.terminate()
        provider.join()
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def _print(spent: dict[str, list[float]], rates: dict[str, list[float]]) -> None:
    beside = statistics.median(spent["chat completions"])
    print(
        f"| {EVENTS} events, {CALLERS} callers | CPU us a stream | over chat completions | streams/s |\n|---|---|---|---|"
    )
    for name, found in spent.items():
        cost = statistics.median(found)
        print(f"| {name} | {cost:,.0f} | {cost / beside:.2f} | {statistics.median(rates[name]):,.0f} |")


if __name__ == "__main__":
    main()
