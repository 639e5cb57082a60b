"""The server in a hostile environment: it refuses or halts with a message that says what to do, loses nothing that was
acknowledged, and goes on by itself when the cause is gone."""

import asyncio
import contextlib
import fcntl
import functools
import resource
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from environment import Answer, Hosted, require_sound, until, works_again
from stage import Clock, Upstream, completion, listening, prepare, stage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import gateway.app
from gateway.demo.world import free_port
from gateway.settings import Settings
from gateway.store.installation import opened
from ledger import checkpoint


@contextlib.contextmanager
def provider(port: int) -> Iterator[Upstream]:
    upstream = Upstream()
    with listening(Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])]), port):
        yield upstream


@contextlib.contextmanager
def hosted(folder: Path, *, plain: bool = False, **knobs: Any) -> Iterator[tuple[Hosted, Upstream, dict[str, str]]]:
    """A running server on a home in `folder`, its provider and its keys."""
    port = free_port()
    settings, keys, _ = prepare(folder / "home", port=port, **knobs)
    with provider(port) as upstream:
        server = Hosted(settings, plain=plain)
        try:
            yield server, upstream, keys
        finally:
            server.kill()


# The disk


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of a few megabytes on a folder, where we may."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount here ({mounted.stderr.strip()}); the limit of file sizes is tested beside this")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
        while ballast.write(b"\0" * 4096):
            continue


@pytest.mark.parametrize("how", ["a small disk", "a limit of file sizes"])
def test_a_full_disk_refuses_calls_sends_nothing_and_recovers(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "disk"
    with small_disk(folder) if how == "a small disk" else contextlib.nullcontext(folder.mkdir()):
        with hosted(folder) as (server, upstream, keys):

            def fill() -> None:
                _fill(folder) if how == "a small disk" else server.limit(resource.RLIMIT_FSIZE, 0)

            def make_room() -> None:
                if how == "a small disk":
                    (folder / "ballast").unlink()
                else:
                    server.limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)

            settings, answers = _fill_up(server, upstream, keys, fill, make_room), works_again(server, keys["agent"])
            server.stop()
        found = require_sound(settings, answers)
    (cut,) = [entry for entry in found if entry.kind == "call.closed" and entry.facts["timing_ms"]["total"] > 300]
    assert (cut.facts["result"], cut.facts["cost_state"]) == ("answered", "provider_reported")


def _fill_up(
    server: Hosted, upstream: Upstream, keys: dict[str, str], fill: Callable[[], None], make_room: Callable[[], None]
) -> Settings:
    """One call is on its way when the disk fills up; those that come after it are refused."""
    release = threading.Event()

    async def wait(_request: Request, _body: dict[str, Any]) -> Response:
        await asyncio.to_thread(release.wait, 60)
        return JSONResponse(completion())

    assert server.call(keys["agent"]).status == 200
    upstream.answer = wait
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.call, keys["agent"])
        until(lambda: len(upstream.seen) == 2, "the call did not arrive")
        time.sleep(0.4)
        fill()
        refused = [
            server.call(keys["agent"]),
            server.call(keys["quiet"]),  # a key that is not in memory yet
            server.call(keys["agent"], subject="somebody new"),  # has to write to the key store first
        ]
        release.set()
        cut = running.result(timeout=60)
    assert {(one.status, one.code) for one in refused} == {(503, "ledger_unavailable")}
    assert all("disk has room" in one.message for one in refused), refused
    assert (cut.status, cut.code) == (500, "outcome_not_recorded")  # bought, and not given out
    assert len(upstream.seen) == 2
    assert server.process.poll() is None
    upstream.answer = None
    make_room()
    return server.settings


def test_a_folder_that_became_read_only_is_told_and_refuses_a_start_and_recovers(tmp_path: Path) -> None:
    """What is open can still be written and flushed; only the head, a new file each time, cannot be signed."""
    with hosted(tmp_path, plain=True) as (server, upstream, keys):
        home = server.settings.home
        files = [path for path in home.iterdir() if path.is_file()]
        answers = [server.call(keys["agent"])]
        for path in files:
            path.chmod(0o400)
        home.chmod(0o500)
        answers.append(server.call(keys["agent"]))
        server.stop()
        assert "could not be signed" in server.said
        assert "this user may write" in server.said
        server.start()
        assert server.ends() != 0
        assert "this user may write" in server.said.splitlines()[-1], server.said
        assert len(server.said.splitlines()) < 10, server.said
        assert "Traceback" not in server.said
        home.chmod(0o700)
        for path in files:
            if path.exists():
                path.chmod(0o600)
        server.start()
        until(server.is_ready, "the server did not start again")
        answers += works_again(server, keys["agent"])
        server.stop()
        assert len(upstream.seen) == len(answers)
    require_sound(server.settings, answers)


def test_while_another_process_hangs_with_the_lock_calls_are_refused_and_go_on_when_it_is_ended(tmp_path: Path) -> None:
    with hosted(tmp_path) as (server, upstream, keys):
        with server.settings.lock_file.open() as held, ThreadPoolExecutor(4) as pool:
            fcntl.flock(held, fcntl.LOCK_EX)
            refused = list(pool.map(lambda _: server.call(keys["agent"]), range(4)))
        assert {(one.status, one.code) for one in refused} == {(503, "ledger_unavailable")}
        assert all("another process has held" in one.message and "fuser" in one.message for one in refused), refused
        assert not upstream.seen
        settings, answers = server.settings, works_again(server, keys["agent"])
        server.stop()
    require_sound(settings, answers)


def test_a_head_file_that_cannot_be_written_is_written_when_it_can_be_although_nothing_was_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(tmp_path / "home") as on:
        until(lambda: signed_size(on.settings) == len(on.entries()), "the start was not signed")
        monkeypatch.setattr("ledger.checkpointing.token_hex", lambda _size: "x")
        in_the_way = on.settings.head_file.with_suffix(".x.new")
        in_the_way.mkdir()  # refuses root too
        on.ask()
        said = ""

        def complained() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return said.count("action=sign") >= 2 or said.count("sign") >= 2

        until(complained, "nobody said that the head is not signed")
        assert "Is a directory" in said
        size = len(on.entries())
        assert signed_size(on.settings) < size
        in_the_way.rmdir()
        until(lambda: signed_size(on.settings) == size, "the head was not signed when it could be")
        assert len(on.entries()) == size


def signed_size(settings: Settings) -> int:
    return checkpoint.unverified(settings.head_file.read_bytes()).size


# Handles and a silent provider


def test_without_file_handles_calls_are_refused_and_work_again_when_the_connections_are_closed(tmp_path: Path) -> None:
    with hosted(tmp_path) as (server, _, keys):
        answers = [server.call(keys["agent"])]
        server.limit(resource.RLIMIT_NOFILE, server.handles() + 20)
        crowd = [_connected(server.port) for _ in range(60)]
        tried = [server.call(keys["agent"]) for _ in range(5)]
        assert {one.status for one in tried} <= {0, 200, 500, 502, 503}
        assert any(one.status != 200 for one in tried)
        answers += tried
        for one in crowd:
            one.close()
        answers += works_again(server, keys["agent"])
        server.stop()
    require_sound(server.settings, answers)


def _connected(port: int) -> socket.socket:
    made = socket.socket()
    made.settimeout(5)
    with contextlib.suppress(OSError):
        made.connect(("127.0.0.1", port))
    return made


CALLERS = 60


def test_a_provider_that_never_answers_costs_its_worst_case_and_nothing_grows(tmp_path: Path) -> None:
    async def silent(_request: Request, body: dict[str, Any]) -> Response:
        if body["messages"][0]["content"].startswith("hang"):
            await asyncio.sleep(60)
        return JSONResponse(completion())

    with hosted(tmp_path, timeout=1) as (server, upstream, keys), ThreadPoolExecutor(CALLERS) as pool:
        upstream.answer = silent
        server.call(keys["agent"], model="cached")
        handles = server.handles()
        answers: list[Answer] = []
        memory: list[int] = []
        for round_ in range(3):
            hanging = [pool.submit(server.call, keys["agent"], f"hang {round_} {at}") for at in range(CALLERS)]
            time.sleep(0.3)
            assert server.call(keys["agent"], f"other {len(answers)}", model="cached").status == 200
            answers += [one.result(timeout=60) for one in hanging]
            memory.append(server.memory())
        assert {(one.status, one.code) for one in answers} == {(504, "upstream_timeout")}
        until(lambda: server.handles() <= handles + 30, "handles stay open")  # the pools of both databases, at most
        assert memory[-1] < memory[0] + 40 * 2**20
        server.stop()
    found = require_sound(server.settings, answers)
    closed = {entry.call: entry for entry in found if entry.kind == "call.closed"}
    begun = {entry.call: entry for entry in found if entry.kind == "call.opened"}
    for one in answers:
        facts = closed[one.call].facts
        worst = begun[one.call].facts["reserved_nano_eur"] * len(facts["attempts"])
        assert (facts["cost_state"], facts["cost_nano_eur"]) == ("upper_bound", worst)


# The clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(gateway.app, "opened", functools.partial(opened, clock=made))
    return made


def test_a_clock_that_jumps_back_and_forward_moves_no_entry_back_and_ends_no_call(tmp_path: Path, clock: Clock) -> None:
    release = threading.Event()

    async def answer(_request: Request, body: dict[str, Any]) -> Response:
        if body["messages"][0]["content"] == "wait":
            await asyncio.to_thread(release.wait, 60)
        return JSONResponse(completion())

    halted = threading.Event()
    with stage(tmp_path / "home", timeout=60) as on:
        on.gateway.halt = halted.set
        on.ask()
        on.upstream.answer = answer
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(on.ask, text="wait", timeout=60)
            until(lambda: len(on.upstream.seen) == 2, "the call did not arrive")
            try:
                for jump in (timedelta(hours=-1), timedelta(days=2), timedelta()):
                    clock.offset = jump
                    until(lambda: _answers(on), "calls do not work after the jump")
            finally:
                release.set()
            assert running.result(timeout=60).choices
        assert not halted.is_set()
        assert on.entries("call.interrupted") == []
        settings = on.settings
    monkeyed = require_sound(settings, [])
    assert datetime.fromisoformat(monkeyed[-1].at) > datetime.now(UTC) + timedelta(days=1)


def _answers(on: Any) -> bool:
    try:
        on.ask()
    except Exception as error:  # noqa: BLE001 - refused for the moment, or not
        assert "try again in a moment" in str(error), error
        return False
    return True


def test_a_process_that_was_held_for_dead_says_so_and_fails(tmp_path: Path) -> None:
    with hosted(tmp_path) as (server, _, keys):
        answers = [server.call(keys["agent"])]
        with contextlib.closing(sqlite3.connect(server.settings.log_database, timeout=30)) as connection, connection:
            connection.execute("DELETE FROM state WHERE key LIKE 'boot:%'")
        assert server.ends() == 1
        assert "start it again" in server.said
        assert "Traceback" not in server.said
        server.start()
        until(server.is_ready, "the server did not start again")
        answers += works_again(server, keys["agent"])
        server.stop()
    require_sound(server.settings, answers)
