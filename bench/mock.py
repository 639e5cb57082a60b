"""A mock provider as raw ASGI: a fixed answer of about one kilobyte, so that what is measured is the gateway."""

import json
from typing import Any

ANSWER = json.dumps(
    {
        "id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": "model-a",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 118}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 120, "total_tokens": 420},
    }
).encode()  # fmt: skip


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        continue
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})
