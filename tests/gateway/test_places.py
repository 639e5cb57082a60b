"""Which path is of the hot route, and what the access log says of it."""

import asyncio
from typing import Any

import pytest

from gateway.web.access import AccessLog
from gateway.web.places import EXACT, place_of


@pytest.mark.parametrize("path", EXACT)
def test_the_paths_of_the_formats_are_told_as_they_are(path: str) -> None:
    place = place_of(path, b"beta=true")
    assert place is not None
    assert (place.path, place.pattern) == (f"{path.removeprefix('/v1')}?beta=true", path)


@pytest.mark.parametrize("version", ["/v1", "/v1beta"])
def test_a_model_in_the_path_is_no_word_of_the_pattern(version: str) -> None:
    place = place_of(f"{version}/models/a/b:c:streamGenerateContent", b"alt=sse")
    assert place is not None
    assert place.path == "/models/a/b:c:streamGenerateContent?alt=sse"
    assert place.pattern == f"{version}/models/{{model}}:streamGenerateContent"


@pytest.mark.parametrize(
    "path",
    ["/v1/models/x", "/v1/models/x:predict", "/models/x:generateContent", "/v1/chat/completions/", "/v1/messages:countTokens"],
)  # fmt: skip
def test_other_paths_are_none_of_the_hot_route(path: str) -> None:
    assert place_of(path, b"") is None


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/responses", "/v1/responses"),
        ("/v1beta/models/of-a-customer:generateContent", "/v1beta/models/{model}:generateContent"),
        ("/v1beta/models/of-a-customer:predict", "-"),
    ],
)
def test_the_access_log_names_every_hot_route_and_no_word_of_a_caller(path: str, route: str) -> None:
    lines: list[str] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(_message: Any) -> None:
        pass

    scope: Any = {"type": "http", "method": "POST", "path": path}
    asyncio.run(AccessLog(app, lines.append)(scope, send, send))
    assert lines[0].split()[1:4] == ["POST", route, "200"]
