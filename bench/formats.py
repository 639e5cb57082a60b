"""`python -m bench.formats`: what a stream costs the gateway in each wire format, beside one of chat completions.

One provider in a process of its own answers every format with as many events of text, in one write; callers keep their
connections. CPU is that of the gateway's process alone, so the provider, which is written in Python, does not count.
"""

import asyncio
import multiprocessing
import shutil
import statistics
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from bench.rig import home
from bench.rig.asking import serving
from bench.rig.compare import conditions
from bench.rig.load import MODEL
from bench.rig.processes import cpu_seconds, stop_all
from bench.rig.streams import EVENTS, chat, compact, generated, messages, responses, typed
from gateway.demo.world import free_port

CALLERS = 8
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
        key = home.prepare(folder / "home", upstream, {})[0]["full"]
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
