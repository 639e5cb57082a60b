"""What providers and servers really send, replayed through the gateway, however the bytes arrive.

The recordings are our own, one for each shape that was seen. See `replay` for their form, `judge` for what is asked."""

import http.client
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from judge import Received, differences
from replay import ASKED, EXPECTED, MEMBERS, Recording, names_by_file, recordings
from stage import Stage, Upstream, listening, prepare
from wire import DELIVERIES, Script, Wire, wire

from gateway.app import Gateway
from gateway.demo.world import free_port
from gateway.store.evidence import LiveEvidence
from gateway.upstream.exchange import Exchange
from ledger.entry import Entry, decode

ALL = recordings()
SEEN_BY_SDK = [one for one in ALL if "sdk" in one.wire]


class Replayed:
    """The running application before an upstream on the wire."""

    def __init__(self, stage: Stage, upstream: Wire) -> None:
        self.stage, self.upstream = stage, upstream

    def script(self, recording: Recording, delivery: str) -> None:
        self.upstream.script = Script(
            recording.body, delivery,
            status=recording.wire.get("status", 200), content_type=recording.content_type,
            headers=recording.wire.get("headers", {}), chunked=recording.streamed,
            cut=recording.wire.get("ends") == "cut",
        )  # fmt: skip

    def ask(self, recording: Recording) -> Received:
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.port, timeout=20)
        request = ASKED[recording.dialect][1] | recording.request
        key = self.stage.keys["agent"]
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "x-whyledger-repeat": "allow"}
        connection.request("POST", recording.path, json.dumps(request), headers)
        response = connection.getresponse()
        try:
            body, clean = response.read(), True
        except http.client.IncompleteRead as error:
            body, clean = error.partial, False
        connection.close()
        return Received(response.status, {name.lower(): value for name, value in response.getheaders()}, body, clean)

    def closed(self, call: str) -> Entry:
        """Return the entry that closed a call."""
        reader = self.stage.installation.reader
        size = reader.head().size
        for data in reversed(list(reader.raw(max(0, size - 12), size))):
            entry = decode(data)
            if entry.call == call and entry.kind == "call.closed":
                return entry
        raise AssertionError(f"{call} has no end on record")

    def sealed(self, entry: Entry) -> dict[str, Any]:
        evidence = LiveEvidence(self.stage.installation)
        return {name: evidence.content(entry, name).value for name in entry.c}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    with wire() as upstream:
        folder = tmp_path_factory.mktemp("recordings") / "home"
        caps = {"cap": 10_000, "environment_cap": 10_000, "workflow_cap": 10_000}
        settings, keys, tokens = prepare(folder, port=upstream.port, **caps)
        gateway, port = Gateway(settings), free_port()
        with listening(gateway, port, lifespan="on"):
            opened = Stage(settings, gateway, Upstream(), port, keys, tokens)
            yield Replayed(opened, upstream)
            for client in opened.clients:
                client.close()


@pytest.fixture
def one_byte_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand on each byte alone, which the network alone does not promise."""
    real = Exchange.chunks

    async def chunks(self: Exchange) -> AsyncIterator[bytes]:
        async for data in real(self):
            for at in range(len(data)):
                yield data[at : at + 1]

    monkeypatch.setattr(Exchange, "chunks", chunks)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("recording", ALL, ids=str)
def test_a_recording_becomes_what_it_must_however_it_arrives(
    on: Replayed, recording: Recording, delivery: str, request: pytest.FixtureRequest
) -> None:
    if delivery == "byte-by-byte":
        request.getfixturevalue("one_byte_at_a_time")
    on.script(recording, delivery)
    received = on.ask(recording)
    closed = on.closed(received.headers["x-whyledger-call"])
    pseudonym = on.stage.installation.vault.pseudonym("response", recording.response_id or "")
    wrong = differences(recording, received, closed, on.sealed(closed), pseudonym)
    assert not wrong, "\n".join(wrong)


def said(on: Replayed, recording: Recording) -> dict[str, Any]:
    """Return what the official client makes of an answer."""
    client = on.stage.client(x_whyledger_repeat="allow").chat.completions
    request: dict[str, Any] = {"model": "support", "messages": [{"role": "user", "content": "x"}]}
    if not recording.streamed:
        answer = client.create(**request, **recording.request)
        calls = [[one.function.name, one.function.arguments] for one in answer.choices[0].message.tool_calls or []]
        return {
            "text": answer.choices[0].message.content, "calls": calls, "finish": answer.choices[0].finish_reason,
            "total": answer.usage.total_tokens if answer.usage else None, "model": answer.model,
        }  # fmt: skip
    found: dict[str, Any] = {"text": "", "calls": [], "finish": None, "total": None, "model": None}
    for chunk in client.create(**request, **recording.request):
        found["model"] = chunk.model or found["model"]
        found["total"] = chunk.usage.total_tokens if chunk.usage else found["total"]
        for choice in chunk.choices:
            found["text"] += choice.delta.content or ""
            found["finish"] = choice.finish_reason or found["finish"]
            for call in choice.delta.tool_calls or []:
                while len(found["calls"]) <= call.index:
                    found["calls"].append(["", ""])
                found["calls"][call.index][0] += call.function.name or ""
                found["calls"][call.index][1] += call.function.arguments or ""
    return found


@pytest.mark.parametrize("recording", SEEN_BY_SDK, ids=str)
def test_the_official_client_reads_what_was_recorded(on: Replayed, recording: Recording) -> None:
    on.script(recording, "in-one-piece")
    expected = dict(recording.wire["sdk"])
    if "raises" in expected:
        with pytest.raises(openai.APIError) as caught:
            said(on, recording)
        assert expected["raises"] in caught.value.message
    else:
        found = said(on, recording)
        assert {name: found[name] for name in expected} == expected


def test_a_recording_says_nothing_that_nobody_reads() -> None:
    for recording in ALL:
        assert set(recording.wire) <= MEMBERS, recording
        for expected in recording.expectations:
            assert set(expected) <= EXPECTED, recording
    assert len({one.name for one in ALL}) == sum(len(names) for names in names_by_file().values())


def test_nothing_stays_reserved_when_all_recordings_are_over(on: Replayed) -> None:
    for recording in ALL[::7]:
        on.script(recording, "in-one-piece")
        on.ask(recording)
    assert {row["reserved"] for row in on.stage.budgets().values()} == {0}
