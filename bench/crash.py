"""`python -m bench.crash`: SIGKILL one of four servers under load at random moments, again and again, then check that nothing
acknowledged is lost, nothing is double, nothing overspends, and that the log verifies.

    python -m bench.crash --kills 1000 --database sqlite|postgresql
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from cluster import cluster, kill_at_random, require_sound  # noqa: E402
from stage import on_postgresql  # noqa: E402

from bench.rig.processes import commit  # noqa: E402

CAP = "50"  # EUR: high enough that calls go on to the end
ROUND = 100
"""Kills on one installation; then its whole log is checked and a fresh one is taken."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(f"commit {commit()}, {chosen.database}, 4 processes, {chosen.kills} kills, seed {chosen.seed}")
    done, seed = 0, chosen.seed
    while done < chosen.kills:
        kills, started = min(ROUND, chosen.kills - done), time.monotonic()
        environment = on_postgresql() if chosen.database == "postgresql" else None
        with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), environment, cap=CAP) as on:
            load = kill_at_random(on, kills, seed=seed)
            kinds = require_sound(on, load.acknowledged, cap=int(CAP) * 10**9)
        done, seed = done + kills, seed + 1
        print(
            f"{done:>5} kills: {kinds['call.opened']} calls opened, {len(load.acknowledged)} acknowledged, "
            f"{kinds['call.interrupted']} interrupted, every one with one end; verified ({time.monotonic() - started:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
