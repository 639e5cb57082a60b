"""Whoever waits at a terminal sees what is going on; a script gets nothing of it."""

import io
import os
import time

from ledger.waiting import waiting


def test_a_terminal_is_told_what_takes_so_long_and_the_line_is_gone_afterwards() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        seen = b""
        with waiting("verifying the log", terminal, seconds=0.01):
            while b"verifying the log ... " not in seen:
                seen += screen.read(100)
        while not seen.endswith(b"\r\x1b[K"):
            seen += screen.read(100)


def test_a_moment_is_not_worth_a_line_and_a_file_gets_none() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        with waiting("verifying the log", terminal, seconds=3600):
            pass
        terminal.write("end")
        terminal.flush()
        assert screen.read(100) == b"end"
    file = io.StringIO()
    with waiting("verifying the log", file, seconds=0.001):
        time.sleep(0.05)
    assert file.getvalue() == ""
