"""The floor a Python gateway with a ledger stands on: raw ASGI, an aiohttp client, two chained rows, no policy at all.

It parses the request and the answer as a gateway must, and commits as a ledger must; LEDGER chooses where
(`bench.rig.baseline_ledger`). No keys, budgets, sealing, signatures or checks.
"""

import json
import os
from typing import Any

import aiohttp

from bench.rig import baseline_ledger

URL = os.environ.get("UPSTREAM", "http://127.0.0.1:9100") + "/v1/chat/completions"
HEADERS = {"authorization": "Bearer sk-mock", "content-type": "application/json"}


class Baseline:
    """The application. Opens client and ledger at start-up."""

    client: aiohttp.ClientSession
    ledger: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._call(receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "lifespan.startup":
            self.client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=600),
            )
            self.ledger = await baseline_ledger.opened()
            await send({"type": "lifespan.startup.complete"})
        await self.client.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _call(self, receive: Any, send: Any) -> None:
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        request = json.loads(body)
        await self.ledger.write(baseline_ledger.row(request, body, None))
        async with self.client.post(URL, data=body, headers=HEADERS) as answer:
            headers = [(b"content-type", answer.content_type.encode())]
            if request.get("stream"):
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                async for part in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await self.ledger.write(baseline_ledger.row(request, body, None))
                await send({"type": "http.response.body", "body": b""})
                return
            found = await answer.read()
        await self.ledger.write(baseline_ledger.row(request, body, found))
        headers.append((b"content-length", b"%d" % len(found)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": found})


app = Baseline()
