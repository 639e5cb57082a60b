"""A log of many calls, made fast and in order: the whole pipeline in this process, on a real installation, with a
provider that answers at once. Nothing is inserted past the writer.

Most calls are tasks of their own or tasks of three; some are long tasks of 200 calls that run through the whole log,
one after another; some are about a person; a few are overridden by one.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.rig import home, load
from gateway.app import Gateway
from gateway.call import Arrival, Target
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.pipeline.ports import Ports, UpstreamAnswer
from gateway.pipeline.run import authenticate, handle_call
from gateway.settings import read_settings
from gateway.store.installation import opened
from ledger.ids import new_id

IN_FLIGHT = 512
LONG, LONG_TASKS = 200, 50
SUBJECTS, OVERRIDES = 500, 20
SAMPLE = 400
"""How many references of each sort are remembered."""
PERSON = "vera"
BODY = load.chat_body(load.MODEL)
SAID = "Roll back before the retry: the failed insert leaves the transaction aborted. Test it with one duplicate key."


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A filled installation, and references into it."""

    calls: int
    vkey: str
    token: str
    """Of a person who may see, override and export."""
    key: str
    """Of the gateway."""
    refs: Mapping[str, list[str]]
    """By sort: `call`, `response`, `task` (1 or 3 calls), `long` (200 calls)."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A call to make; its number names the provider's response."""

    number: int
    task: str
    subject: str | None


class Instant:
    """The provider: answers whatever is sent to it, each time under another response id."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}

    def __init__(self, number: int = 0) -> None:
        self._number = number

    async def send(self, target: Target, body: bytes, **limits: float | None) -> UpstreamAnswer:
        self._number += 1
        return Instant(self._number)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.read()

    async def read(self) -> bytes:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SAID}}
        usage = {"prompt_tokens": 310, "completion_tokens": 28, "total_tokens": 338}
        answer = {"id": _response(self._number), "object": "chat.completion", "model": "mock", "usage": usage}
        return json.dumps(answer | {"choices": [choice]}).encode()

    def close(self) -> None:
        return

    def redacted(self, text: bytes) -> bytes:
        return text


def _response(number: int) -> str:
    return f"chatcmpl-{number:08d}"


def long_tasks(calls: int) -> int:
    """Return how many tasks of 200 calls a log of that many calls has: half of a small one at most."""
    return min(max(LONG_TASKS, calls // 20_000), calls // (2 * LONG))


def plan(calls: int) -> Iterator[Planned]:
    """Yield the calls in the order in which they are begun."""
    drawn, long, done, short = random.Random(1), long_tasks(calls) * LONG, 0, 0
    for number in range(calls):
        subject = f"person-{drawn.randrange(SUBJECTS)}" if drawn.random() < 0.05 else None
        if done < long * (number + 1) // calls:
            yield Planned(number, f"long-{done // LONG}", subject)
            done += 1
        else:
            block, place = divmod(short, 6)  # three tasks of one call, then one of three
            yield Planned(number, f"task-{block}-{min(place, 3)}", subject)
            short += 1


async def _call(one: Planned, key: str, ports: Ports) -> str:
    headers = {"x-whyledger-task": one.task}
    if one.subject:
        headers["x-whyledger-subject"] = one.subject
    arrival = Arrival(call=new_id("call", ports.clock()), headers=headers, body=BODY)
    relay = await handle_call(arrival, await authenticate(key, ports), ports)
    await relay.whole()
    return arrival.call


async def _calls(calls: int, key: str, gateway: Gateway) -> list[str]:
    """Make the calls, several hundred at a time; returns the ids of some of them."""
    assert gateway.ports is not None
    ports, planned, sample = replace(gateway.ports, upstream=Instant()), plan(calls), list[str]()
    every = max(1, calls // SAMPLE)

    async def one_after_another() -> None:
        for one in planned:
            call = await _call(one, key, ports)
            if one.number % every == 0:
                sample.append(call)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(one_after_another())
    return sample


async def _serve_and_call(calls: int, key: str, folder: Path) -> list[str]:
    gateway = Gateway(read_settings(folder, environment={}))
    async with gateway._serving():
        return await _calls(calls, key, gateway)


def _references(calls: int, sample: list[str]) -> dict[str, list[str]]:
    drawn, blocks = random.Random(2), (calls - long_tasks(calls) * LONG) // 6
    tasks = [f"task-{drawn.randrange(blocks)}-{drawn.randrange(4)}" for _ in range(SAMPLE)]
    responses = [_response(drawn.randrange(1, calls + 1)) for _ in range(SAMPLE)]
    long = [f"long-{number}" for number in range(long_tasks(calls))]
    return {"call": sample, "response": responses, "task": tasks, "long": long}


def fill(folder: Path, calls: int, mock_port: int = 9) -> Filled:
    """Make an installation with that many calls, or return the one that an earlier run left there.

    Args:
        mock_port: where its provider listens when it is served afterwards; nobody is asked here.
    """
    record, place = folder / "filled.json", folder / "home"
    if record.exists() and (kept := json.loads(record.read_text("utf-8")))["calls"] == calls:
        return Filled(**kept)
    folder.mkdir(parents=True, exist_ok=True)
    keys, vkey = home.prepare(place, mock_port, {})
    with opened(read_settings(place, environment={})) as installation:
        token = acts.enrol(installation, None, PERSON, ["approver", "compliance", "viewer"])
    started = time.perf_counter()
    sample = asyncio.run(_serve_and_call(calls, keys["full"], place))
    seconds = time.perf_counter() - started
    print(f"made {calls} calls in {seconds:.0f} s, {calls / seconds:.0f}/s, {IN_FLIGHT} in flight", flush=True)
    with opened(read_settings(place, environment={})) as installation:
        vera = by_name(installation, PERSON, token)
        said = {"action": "disregard", "reason_code": "R02", "reason": "not in the records", "presented": SAID}
        for call in sample[:: max(1, len(sample) // OVERRIDES)]:
            acts.override(installation, vera, call, **said, before=None, after=None)
    made = Filled(calls=calls, vkey=vkey, token=token, key=keys["full"], refs=_references(calls, sample))
    record.write_text(json.dumps(asdict(made)), "utf-8")
    return made
