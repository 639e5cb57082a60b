"""A line on the terminal while something takes longer than a moment; nothing where nobody looks on."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SECONDS = 1.0


@contextmanager
def waiting(what: str, stream: TextIO | None = None, *, seconds: float = SECONDS) -> Iterator[None]:
    """Say after a second what is going on, and each second for how long; on leaving the line is gone.

    Args:
        stream: stderr if left out. Only a terminal is written to.
    """
    out = stream or sys.stderr
    if not out.isatty():
        yield
        return
    done = threading.Event()

    def tell() -> None:
        passed = 0.0
        while not done.wait(seconds):
            passed += seconds
            out.write(f"\r{what} ... {passed:.0f} s")
            out.flush()
        if passed:
            out.write("\r\x1b[K")
            out.flush()

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
