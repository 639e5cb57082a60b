"""Logs say where and what kind, and quote no value: not from local variables, not from what an exception says."""

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from gateway import logs
from gateway.errors import Refused
from ledger.errors import LedgerUnavailable

SECRET = "sk-4f9a0c77-planted"
ROOT = Path(__file__).parents[2]


@contextmanager
def set_up() -> Iterator[io.StringIO]:
    """Set logging up as `serve` does, and give what the libraries' log takes."""
    root, written = logging.getLogger(), io.StringIO()
    before, raising = root.handlers[:], logging.raiseExceptions
    root.handlers.clear()
    logs.set_up()
    root.handlers[0].stream = written  # type: ignore[attr-defined]
    try:
        yield written
    finally:
        structlog.reset_defaults()
        root.handlers[:], logging.raiseExceptions = before, raising


def fail(kind: type[Exception], key: str = SECRET) -> None:
    try:
        raise KeyError(key)
    except KeyError as error:
        raise kind(key) from error


def caught(kind: type[Exception]) -> Exception:
    with pytest.raises(kind) as raised:
        fail(kind)
    return raised.value


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, UnicodeError, Exception])
def test_what_an_exception_says_is_left_out_and_its_place_and_cause_are_told(kind: type[Exception]) -> None:
    told = logs.traceback_of(caught(kind))
    assert SECRET not in told
    assert told.index("KeyError") < told.index("which led to") < told.rindex(kind.__name__)
    assert f'"{__file__}"' in told
    assert "in fail" in told


def test_our_own_words_and_the_system_s_are_told() -> None:
    assert logs.said(LedgerUnavailable("the disk is full")) == "LedgerUnavailable: the disk is full"
    assert logs.said(FileNotFoundError(2, "No such file", "/x")) == "FileNotFoundError: [Errno 2] No such file: '/x'"
    assert logs.said(Refused("route_unknown", f"`{SECRET}` is no intent", stage=6)) == "Refused: route_unknown"
    assert logs.said(KeyError()) == "KeyError"


def test_the_members_of_a_group_are_told_and_a_circle_ends() -> None:
    group = ExceptionGroup(SECRET, [caught(ValueError), caught(OSError)])
    group.__context__ = first = ValueError(SECRET)
    first.__context__ = group
    told = logs.traceback_of(group)
    assert told.count("in fail") == 4  # each of the two, and each for another
    assert told.count(SECRET) == 1  # what the system says is told


def test_a_logged_exception_shows_no_local_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with set_up():
        try:
            fail(ValueError)
        except ValueError:
            structlog.get_logger().exception("it failed", call="call_1")
    told = capsys.readouterr().out
    assert SECRET not in told
    assert "it failed" in told
    assert "call_1" in told
    assert "in fail" in told
    assert "ValueError" in told


def test_the_libraries_log_shows_no_local_variable_either() -> None:
    with set_up() as written:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=caught(ValueError))
        logging.getLogger("uvicorn.error").error("nothing is wrong", exc_info=(None, None, None))
    assert SECRET not in written.getvalue()
    assert "ERROR: Exception in ASGI application" in written.getvalue()
    assert "in fail" in written.getvalue()


def test_a_callback_that_fails_in_the_loop_is_logged_without_its_arguments() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(logs.of_loop)
        loop.call_soon(fail, ValueError, SECRET)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with set_up() as written:
        asyncio.run(run())
    assert SECRET not in written.getvalue()
    assert "Exception in callback fail" in written.getvalue()


def test_a_record_that_cannot_be_written_is_not_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    with set_up():
        logging.getLogger("uvicorn.error").error("%d", SECRET)
    assert SECRET not in capsys.readouterr().err


def test_the_command_line_shows_neither_local_variables_nor_what_an_exception_says() -> None:
    code = (
        "import sys; from gateway import cli\n"
        f"def checkup(settings, planted={SECRET!r}):\n    raise ValueError(planted)\n"
        "import gateway.cli.checkup; gateway.cli.checkup.checkup = checkup\n"
        "sys.argv = ['whyledger', 'doctor']; cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert "ValueError (what it says is left out" in done.stderr
    assert "in checkup" in done.stderr
