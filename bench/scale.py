"""`python -m bench.scale --calls N`: a log of N calls, and one of a tenth of it; what explaining, packing and verifying cost.

The logs are made through the whole pipeline (`bench.rig.filling`). Then, on each: `whyledger serve` is asked why over a
real socket, `python -m ledger verify` reads the live log; and on the larger one `whyledger pack` exports 10,000 calls.
The why answer always proves every entry it quotes: the API has no cheaper answer to compare with.
"""

import os
import shutil
import statistics
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from bench.rig.asking import drawn, percentile, serving, why_times
from bench.rig.compare import conditions
from bench.rig.filling import LONG, Filled, fill
from bench.rig.measure import ROOT
from bench.rig.processes import end_on_sigterm, stop_all
from bench.rig.watching import MODULE, PROGRAM, Ended, print_gate, watched
from bench.soak import asked_of, database_bytes
from gateway.settings import read_settings
from gateway.store.installation import opened

SORTS = {
    "call": "call ids",
    "response": "response ids",
    "task": "tasks of 1 or 3 calls",
    "long": f"tasks of {LONG} calls",
}
SAME = 1.05
"""Memory is constant when ten times the entries take no more than this much more."""


def measure_why(folder: Path, made: Filled, asked: int) -> bool:
    """Ask why about `asked` references of each sort; tell whether all gates are kept."""
    times = dict[str, list[float]]()
    with serving(folder) as (port, _):
        for sort in SORTS:
            if made.refs[sort]:
                times[sort] = why_times(port, made.token, drawn(made.refs[sort], asked))
    for sort, found in times.items():
        first, half, most = found[0], statistics.median(found), max(found)
        print(f"why, {SORTS[sort]:24s}{len(found)} asked: first {first:.1f} ms, p50 {half:.1f} ms, max {most:.1f} ms")
    return all(
        [print_gate(f"  p95, {SORTS[sort]}", percentile(one, 95), "<=", 20, "ms") for sort, one in times.items()]
    )


def _period(folder: Path, calls: int) -> tuple[str, str]:
    """Return two instants in the middle of the log that hold that many calls, or a little more."""
    settings = read_settings(folder / "home", environment={})
    with opened(settings) as installation:
        reader, size = installation.reader, installation.reader.head().size
        first = max(0, size // 2 - calls)
        edges = first, min(size - 1, first + 2 * calls + 2 * 512)  # whole batches share an instant
        start, end = (reader.entry(seq).at for seq in edges)
    return start, end


def packed(folder: Path, made: Filled, calls: int, prefix: tuple[str, ...] = ()) -> Ended:
    """Export about that many calls as a PDF, as the person of the installation."""
    start, end = _period(folder, calls)
    command = [*prefix, PROGRAM, "--home", str(folder / "home"), "pack", "-o", str(folder / "pack.pdf"), "--as", "vera"]
    return watched(
        [*command, "--from", start, "--to", end], folder / "pack.log", environment=pack_environment(made.token)
    )


def pack_environment(token: str) -> Mapping[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("WHYLEDGER_")}
    return inherited | {"WHYLEDGER_TOKEN": token}


def measure_pack(folder: Path, made: Filled, calls: int) -> bool:
    """Export, print what it took, and have the auditor's program check the PDF."""
    pack = packed(folder, made, calls)
    print(f"pack: exit code {pack.code}; {pack.printed}")
    if pack.code:
        return False
    size = (folder / "pack.pdf").stat().st_size / 2**20
    checked = verified(folder / "pack.pdf", made.vkey, folder)
    print(
        f"pack of {size:.1f} MiB, PSS {pack.pss_mib:.0f} MiB; checked in {checked.seconds:.1f} s, {checked.rss_mib:.0f} MiB"
    )
    print(f"  {checked.printed.splitlines()[-1]}")
    return all([
        print_gate("  seconds of the pack", pack.seconds, "<=", 60, "s"),
        print_gate("  resident memory of its process tree", pack.rss_mib, "<=", 300, "MiB"),
        print_gate("  VALID (exit code of the verifier)", checked.code, "<=", 0, ""),
    ])  # fmt: skip


def verified(what: Path, vkey: str, folder: Path) -> Ended:
    command = [*MODULE, "ledger", "verify", str(what), "--key", vkey]
    return watched(command, folder / "verify.log", cwd=ROOT)


def measure_verify(folder: Path, made: Filled) -> Ended:
    """Check the live log; print entries a second, memory, and bytes a call."""
    found, entries = (
        verified(folder / "home" / "log.db", made.vkey, folder),
        asked_of(folder / "home", "SELECT size FROM head"),
    )
    print(
        f"verify: {entries} entries in {found.seconds:.1f} s, {entries / found.seconds:.0f} entries/s, "
        f"{found.rss_mib:.1f} MiB; {found.printed.splitlines()[-1]}"
    )
    print(f"size: {database_bytes(folder / 'home') / made.calls:.0f} bytes a call, contents kept")
    return found


def scale(chosen: Namespace, folder: Path) -> bool:
    conditions(folder)
    good, checks = [], []
    for name, calls in (("tenth", chosen.calls // 10), ("whole", chosen.calls)):
        made, place = fill(folder / name, calls), folder / name
        print(f"\n{calls} calls, {len(made.refs['long'])} tasks of {LONG} among them", flush=True)
        good.append(measure_why(place, made, chosen.asked))
        checks.append(measure_verify(place, made))
    good.append(
        print_gate("  memory of it over that of a tenth", checks[1].rss_mib / checks[0].rss_mib, "<=", SAME, "")
    )
    good.append(print_gate("  VALID (exit codes of both)", max(one.code for one in checks), "<=", 0, ""))
    good.append(measure_pack(folder / "whole", made, min(chosen.packed, chosen.calls)))
    return all(good)


def main() -> None:
    parser = ArgumentParser(description="A log of many calls: what explaining, packing and verifying cost.")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=200, help="references of each sort")
    parser.add_argument("--packed", type=int, default=10_000, help="calls in the pack")
    parser.add_argument(
        "--home", type=Path, help="where the logs are made, or are from an earlier run; needs 6 KB a call"
    )
    parser.add_argument("--keep", action="store_true", help="leave the logs in --home for the next run")
    chosen = parser.parse_args()
    end_on_sigterm()
    folder = chosen.home or Path(tempfile.mkdtemp(prefix="scale-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        good = scale(chosen, folder)
    finally:
        stop_all()
        if not chosen.keep:
            for name in ("tenth", "whole"):
                shutil.rmtree(folder / name, ignore_errors=True)
            if chosen.home is None:
                shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
