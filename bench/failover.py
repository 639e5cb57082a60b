"""`python -m bench.failover`: SIGKILL the primary of two PostgreSQL servers under the load of 8 callers on 2 gateways, promote
its standby, and see what was lost.

With a synchronous standby (the default) nothing acknowledged may be lost, and calls must go on. With `--asynchronous` the
standby lacks the last two seconds: both gateways must halt, send and sign nothing, keep the signed head, and go on, without
a restart, once a person has declared the gap. Exit code 0: right; 1: wrong.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from environment import require_sound_log  # noqa: E402
from failing_over import CALLERS, Failover, Halt, Outcome, failing_over  # noqa: E402
from replicas import version  # noqa: E402

from bench.rig.compare import conditions  # noqa: E402
from bench.rig.processes import end_on_sigterm  # noqa: E402


def print_outcome(outcome: Outcome) -> None:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(outcome.statuses.items()))
    print(f"acknowledged {outcome.before} before and {outcome.after} after the promotion; lost {outcome.lost}")
    print(f"answers by status: {statuses}")


def print_halt(halt: Halt) -> None:
    print_outcome(halt.outcome)
    print(f"calls opened on the other history: {halt.opened}; sent to the provider after the promotion: {halt.sent}")
    print(f"signed head {'kept' if halt.head_kept else 'REPLACED'}")
    for answer in halt.answers:
        retry, code = answer.retry or "none", answer.code or "none"
        print(f"a gateway answers {answer.status}, code {code}, x-should-retry {retry}; /readyz {answer.ready}")


def synchronous(failover: Failover) -> bool:
    """Nothing acknowledged is lost and calls go on; tells whether that is so."""
    outcome, seconds = failover.keep_going()
    print_outcome(outcome)
    print(f"calls went on {seconds:.1f} s after the promotion")
    return outcome.lost == 0 and failover.live_on() and verified(failover)


def asynchronous(failover: Failover) -> bool:
    """What is lost halts both gateways until a person declares it; tells whether that is so."""
    halt = failover.go_back()
    print_halt(halt)
    if not halt.right:
        print("NOT HALTED")
        return False
    print(f"halted; calls went on {failover.recover():.1f} s after `whyledger recover`")
    return failover.live_on() and verified(failover)


def verified(failover: Failover) -> bool:
    """End the gateways, which interrupts calls whose ends were lost; every call must have one end, and the log verify."""
    failover.on.end()
    entries = require_sound_log(failover.on.settings, [])
    print(f"{len(entries)} entries, every call with one end; verified")
    return True


@contextmanager
def log_apart(log: Path) -> Iterator[None]:
    """Let what the gateways print go to a file, and tell of it only what is critical; our own lines stay."""
    ours, theirs = os.dup(1), log.open("wb")
    sys.stdout.flush()
    os.dup2(theirs.fileno(), 1)
    sys.stdout = os.fdopen(ours, "w", buffering=1)
    try:
        yield
    finally:
        theirs.close()
        said = log.read_text("utf-8", "replace").splitlines()
        critical = [line for line in said if "[critical" in line]
        print(f"the gateways logged {len(said)} lines, {len(critical)} of them critical")
        for line in critical[:4]:
            print(f"  {line[:160]}")


def measured(run: Callable[[Failover], bool], *, is_synchronous: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        conditions(Path(folder))
        print(f"{version()}, 2 servers, 2 gateways, {CALLERS} callers, {run.__name__} standby", flush=True)
        with log_apart(Path(folder) / "log"), failing_over(Path(folder), synchronous=is_synchronous) as failover:
            return run(failover)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asynchronous", action="store_true", help="the standby lacks the last two seconds")
    chosen = parser.parse_args()
    end_on_sigterm()
    run = asynchronous if chosen.asynchronous else synchronous
    right = measured(run, is_synchronous=not chosen.asynchronous)
    print("RIGHT" if right else "WRONG")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
