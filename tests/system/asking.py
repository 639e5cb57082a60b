"""One request in any of the formats in which a client may ask, as raw bytes over the wire."""

import json
from typing import Any

import httpx2
from stage import Stage

PATHS = {
    "chat": "/v1/chat/completions", "responses": "/v1/responses", "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini:", "chat to anthropic": "/v1/chat/completions", "chat to gemini": "/v1/chat/completions",
}  # fmt: skip
MODELS = {
    "chat": "support",
    "responses": "support",
    "anthropic": "claude",
    "chat to anthropic": "claude",
    "chat to gemini": "gemini",
}


class Answer:
    """What a client gets: status, headers and every byte."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def error(self) -> dict[str, Any]:
        pieces = [one.partition("\n")[0] for one in self.body.decode().split("data: ")]
        told = next(one for one in pieces if '"error":{' in one and "message" in one)
        found: dict[str, Any] = json.loads(told)["error"]
        return found


def ask(on: Stage, form: str = "chat", stream: bool = False, *, text: str = "Do it.", key: str = "agent", **headers: str) -> Answer:  # fmt: skip
    """Send one request of a format; the same text is the same request."""
    body: dict[str, Any] = {"model": MODELS.get(form, ""), "stream": stream, "max_tokens": 50}
    path, turn, secret = PATHS[form], {"role": "user", "content": text}, on.keys[key]
    sent = {"authorization": f"Bearer {secret}", "x-api-key": secret} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    if form == "responses":
        body = {"model": "support", "input": text, "stream": stream}
    elif form == "gemini":
        path += "streamGenerateContent?alt=sse" if stream else "generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        sent.pop("authorization")
    else:
        body["messages"] = [turn]
    said, answer = b"", None
    try:
        with httpx2.stream("POST", on.url + path, json=body, headers=sent, timeout=30) as answer:
            for piece in answer.iter_bytes():
                said += piece
    except httpx2.RemoteProtocolError:
        pass  # a stream is broken off after its error event
    assert answer is not None
    return Answer(answer.status_code, answer.headers, said)
