"""One CPU and 1 GiB for everything that is started in it: a memory group of the kernel's where one can be made (cgroup
v2, as root), else a limit on the address space of each process, which is stricter for one and looser for many."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.rig.processes import GATEWAY_CPU

LIMIT = 2**30
GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Confined:
    """`prefix` stands before a command that is to run confined; `group` is the folder of the memory group, if any."""

    prefix: tuple[str, ...]
    group: Path | None

    @property
    def described(self) -> str:
        if self.group is None:
            return f"taskset on CPU {GATEWAY_CPU}, and `ulimit -v` of {LIMIT >> 20} MiB for each process"
        return f"taskset on CPU {GATEWAY_CPU}, and a cgroup v2 with memory.max {LIMIT >> 20} MiB and no swap"

    def killed(self) -> int | None:
        """Return how many processes the kernel killed for memory, or None where nobody counts."""
        if self.group is None:
            return None
        events = dict(line.split() for line in (self.group / "memory.events").read_text().splitlines())
        return int(events["oom_kill"])

    def peak_mib(self) -> float | None:
        """Return the most memory the group held, pages of files included, or None where nobody counts."""
        peak = self.group / "memory.peak" if self.group else None
        return int(peak.read_text()) / 2**20 if peak and peak.exists() else None


@contextlib.contextmanager
def confined() -> Iterator[Confined]:
    """Make the limits; the group is removed afterwards."""
    group = _group()
    enter = f"echo $$ > {group}/cgroup.procs" if group else f"ulimit -v {LIMIT >> 10}"
    try:
        yield Confined(("taskset", "-c", GATEWAY_CPU, "sh", "-c", f'{enter} && exec "$@"', "sh"), group)
    finally:
        if group:
            _remove(group)


def _group() -> Path | None:
    """Make a memory group, or return None: not root, no cgroup v2, or its memory controller is not there."""
    group = GROUPS / f"whyledger-bench-{os.getpid()}"
    try:
        if "memory" not in (GROUPS / "cgroup.subtree_control").read_text().split():
            return None
        group.mkdir()
        (group / "memory.max").write_text(str(LIMIT))
        (group / "memory.swap.max").write_text("0")
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        return None
    return group


def _remove(group: Path) -> None:
    for _ in range(50):
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.1)  # the last process is still being taken down
