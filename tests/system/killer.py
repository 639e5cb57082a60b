"""`python killer.py POINT MOMENT PASS ARMED ...`: the real server, which kills itself at a named commit point.

Once the file ARMED exists, the process sends itself SIGKILL `before` or `after` the PASS-th time through POINT. The
points are functions of the product, named here; the product knows nothing of it.
"""

import functools
import inspect
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ledger.log
from gateway.store.ports import EvidenceInLedger
from gateway.upstream.client import HttpUpstream
from gateway.upstream.exchange import Exchange
from ledger.checkpointing import HeadFile
from ledger.store import writer
from ledger.store.driver import WriteConnection
from ledger.store.vault import Vault

POINTS: dict[str, tuple[Any, str]] = {
    "the subject's key is kept": (Vault, "_insert_key"),
    "a unit is handed over": (EvidenceInLedger, "submit"),
    "the head is locked": (writer, "lock_head"),
    "the entries are inserted": (writer, "insert_entries"),
    "the state is saved": (writer, "save_state"),
    "the head is moved": (writer, "move_head"),
    "the batch is committed": (WriteConnection, "commit"),
    "the waiters are woken": (ledger.log, "_wake"),
    "the provider is called": (HttpUpstream, "send"),
    "the answer is read": (Exchange, "read"),
    "the close is handed over": (EvidenceInLedger, "close"),
    "the head file is written": (HeadFile, "write"),
}


def main(point: str, moment: str, nth: int, armed: Path) -> None:
    owner, attribute = POINTS[point]
    real = getattr(owner, attribute)
    passes = 0

    def arrive(here: str) -> None:
        nonlocal passes
        if here == moment and armed.exists():
            passes += 1
            if passes == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(real)
    def plain(*args: Any, **named: Any) -> Any:
        arrive("before")
        result = real(*args, **named)
        arrive("after")
        return result

    @functools.wraps(real)
    async def awaited(*args: Any, **named: Any) -> Any:
        arrive("before")
        result = await real(*args, **named)
        arrive("after")
        return result

    setattr(owner, attribute, awaited if inspect.iscoroutinefunction(real) else plain)


if __name__ == "__main__":
    _, chosen, when, number, flag, *rest = sys.argv
    main(chosen, when, int(number), Path(flag))
    sys.argv = ["whyledger", *rest]
    from gateway.cli import main as run

    run()
