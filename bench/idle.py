"""`python -m bench.idle`: what a serving process without any calls writes to the disk and uses of the processor.

`write_bytes` of /proc is what the kernel was asked to bring to the disk: pages of the database and of its log.
"""

import shutil
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from bench.rig import home
from bench.rig.asking import serving
from bench.rig.compare import conditions
from bench.rig.processes import cpu_seconds, stop_all

SETTLE_SECONDS = 5


def written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=60)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="whyledger-idle-"))
    try:
        home.prepare(folder / "home", 1, {})
        conditions(folder)
        with serving(folder) as (_, pid):
            time.sleep(SETTLE_SECONDS)
            before, used = written(pid), cpu_seconds(pid)
            time.sleep(chosen.seconds)
            rate = (written(pid) - before) / chosen.seconds
            busy = (cpu_seconds(pid) - used) / chosen.seconds
        print(f"idle: {rate / 1024:.1f} KiB/s written, {rate * 86_400 / 2**20:.0f} MiB a day, {busy:.2%} of a CPU")
    finally:
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
