"""Random bytes from the kernel, drawn in blocks.

Each draw lets go of the interpreter's lock, and under load another thread then takes it: the wait to get it back was
the largest single cost of an identifier. So a thread draws 4 KiB at a time and hands them out once.
"""

import os
import threading

_BLOCK = 4096


class _Pool(threading.local):
    """The bytes of one thread that are not handed out yet."""

    def __init__(self) -> None:
        self.block, self.at = b"", 0


_pool = _Pool()


def random_bytes(count: int) -> bytes:
    """Return `count` bytes (at most 4096) fit for keys and salts; no byte is ever handed out twice."""
    at = _pool.at
    end = at + count
    if end > len(_pool.block):
        _pool.block, at, end = os.urandom(_BLOCK), 0, count
    _pool.at = end
    return _pool.block[at:end]


def _forget() -> None:
    _pool.block, _pool.at = b"", 0


os.register_at_fork(after_in_child=_forget)  # else a child would hand out what its parent hands out
