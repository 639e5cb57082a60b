"""`make bench-peers`: gateways side by side against one mock provider, with the product's gates.

Every round runs every peer once, in the order of peers.toml (A B C, A B C, ...), one at a time, one worker each: the
gateway on CPU 0, mock and load on CPU 1 (GATEWAY_CPU, LOAD_CPU). Figures are medians over rounds, ratios are within
this run. Only processes started here are ended.
"""

import json
import os
import platform
import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.rig import load
from bench.rig.measure import Site, listed, measure, missing, version
from bench.rig.processes import commit, end_on_sigterm, fsync_ms, stop_all
from bench.rig.tables import print_gates, print_tables


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("PEERS") or "~/peers").expanduser())
    parser.add_argument("--only", help="names of lines, with commas; `direct` is always measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--warm", type=float, default=2)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--out", type=Path, help="keep all figures as JSON")
    chosen = parser.parse_args()
    chosen.connections = [int(one) for one in chosen.connections.split(",")]
    return chosen


def conditions(folder: Path) -> None:
    day = datetime.now(UTC).date().isoformat()
    print(
        f"commit {commit()}, {day}, Python {platform.python_version()}, {os.cpu_count()} CPUs, "
        f"load average {os.getloadavg()[0]:.1f}, fdatasync of 4 KiB {fsync_ms(folder):.2f} ms (median)"
    )


def progress(number: int, name: str, found: dict[str, Any], chosen: Namespace) -> None:
    if "failed" in found:
        text = f"FAILED {found['failed']}"
    else:
        rates = " ".join(f"c{one}={found[f'c{one}']['rps']:.0f}" for one in chosen.connections)
        most = found[f"c{chosen.connections[-1]}"]
        text = f"{rates} slow60={found['slow60']['rps']:.0f} cpu={most.get('cpu_us', 0):.0f}us "
        text += f"upstream/call={most['upstream_per_call']:.3f} errors={most['errors']} "
        text += f"ttft={found['sse1'].get('ttft_p50_ms')}"
    print(f"round {number} {name:22s} {text}", file=sys.stderr, flush=True)


def run(chosen: Namespace, folder: Path) -> None:
    peers, site = listed(), Site(chosen.peers, folder)
    only = chosen.only.split(",") if chosen.only else list(peers)
    if unknown := set(only) - set(peers):
        raise SystemExit(f"no such line: {', '.join(sorted(unknown))}; there are {', '.join(peers)}")
    wanted = [name for name in peers if name == "direct" or name in only]
    absent = {name: why for name in wanted if (why := missing(peers[name], site))}
    names = [name for name in wanted if name not in absent]
    conditions(folder)
    for name in names:
        print(f"{name:22s} {version(peers[name], site)}")
    for name, why in absent.items():
        print(f"{name:22s} not installed: {why}")
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    site.start_mock()
    try:
        for number in range(1, chosen.rounds + 1):
            for name in names:
                figures[name].append(measure(name, peers[name], site, chosen))
                progress(number, name, figures[name][-1], chosen)
    finally:
        stop_all()
    if chosen.out:
        chosen.out.write_text(json.dumps(figures), "utf-8")
    print_tables(figures, absent, chosen.connections)
    for name in names:
        if peers[name].get("product"):
            print_gates(figures, name, peers[name]["baseline"], chosen.connections)


def main() -> None:
    chosen = arguments()
    end_on_sigterm()
    load.built_tools()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # nginx and PostgreSQL work as other users when this runs as root
    try:
        run(chosen, folder)
    finally:
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
