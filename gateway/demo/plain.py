"""Plain HTTP in the shape of the official OpenAI SDK, for the demo where the SDK is not installed.

Only what the stories use: one answer, a stream of events, an error with its status.
"""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import httpx2


class APIError(Exception):
    """What the gateway sends inside a stream instead of its end."""


class APIStatusError(APIError):
    """An answer with a status that is an error."""

    def __init__(self, status_code: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"Error code: {status_code}")
        self.status_code, self.body = status_code, body


class _Node(SimpleNamespace):
    """A JSON object; a member that it does not have is None."""

    def __getattr__(self, _name: str) -> None:
        return None


class OpenAI:
    """The client."""

    def __init__(
        self, *, base_url: str, api_key: str, default_headers: Mapping[str, str], timeout: float, max_retries: int
    ) -> None:
        del max_retries  # the gateway repeats what may be repeated
        headers = {"authorization": f"Bearer {api_key}", **default_headers}
        self._http = httpx2.Client(base_url=base_url, headers=headers, timeout=timeout)
        raw = SimpleNamespace(create=self._send)
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create, with_raw_response=raw))

    def __enter__(self) -> "OpenAI":
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def _create(self, **body: Any) -> Any:
        answer = self._send(**body)
        return _events(answer) if body.get("stream") else _read(answer.read())

    def _send(self, **body: Any) -> httpx2.Response:
        request = self._http.build_request("POST", "/chat/completions", json=body)
        answer = self._http.send(request, stream=bool(body.get("stream")))
        if answer.is_error:
            raise APIStatusError(answer.status_code, json.loads(answer.read()).get("error") or {})
        return answer


def _events(answer: httpx2.Response) -> Iterator[Any]:
    """Yield the events of a stream; closing this closes the connection."""
    try:
        for line in answer.iter_lines():
            data = line.removeprefix("data:").strip()
            if line.startswith("data:") and data != "[DONE]":
                event = _read(data)
                if event.error:
                    raise APIError(event.error.message)
                yield event
    finally:
        answer.close()


def _read(text: str | bytes) -> Any:
    return json.loads(text, object_hook=lambda members: _Node(**members))
