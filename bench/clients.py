"""`python -m bench.clients`: what real clients make of the gateway's answers, counted at the provider.

Every client of bench/rig/clients/clients.toml makes one user call in every situation, against the real gateway and a
provider that answers as the situation says. A cell is asked/sent/bought: requests at the gateway, requests at the
provider, and those that the provider answered with a completion. `+`: still at it when it was cut off. `not shown`: the
client printed nothing of why. Exit code 1: the provider sold an answer to the same messages twice within one user call.
"""

import logging
import os
import shutil
import sys
import tempfile
import time
import tomllib
from argparse import ArgumentParser, Namespace
from pathlib import Path

from bench.rig.calling import SCRIPTS, Client, missing, run, versions
from bench.rig.compare import conditions
from bench.rig.processes import end_on_sigterm, stop_all
from bench.rig.selling import Provider, Stage, standing

WORKS = {"plain": "hello", "stream": "hello", "tools": "lookup", "structured": "Rome"}
"""What a client prints of the answer when it understood it."""
PROGRAMS = {"plain": "", "tools": "shell"}
"""Of a program: one prompt, and one at which the model calls the tool that runs a command."""
SITUATIONS = {
    "402": ("plain", "poor"),
    "403": ("tools", "quiet"),
    "429 once": ("plain", ""),
    "500": ("plain", ""),
    "withheld": ("plain", ""),
    "withheld stream": ("stream", ""),
    "cut": ("stream", ""),
    "held request": ("plain", "held"),
    "held stream": ("stream", "held"),
    "held answer": ("tools", "asking"),
}
"""How the client asks, and with which key if not with its own: one without budget, one without tools, one whose
requests wait for a person, and one whose calls of tools do."""
NEEDS = {"required": "`forced_tool: required`", "coder": "grants"}
"""Keys that are tried where a client's own does not do, and what their workflows have."""
TWICE = " BOUGHT TWICE"
HELD = "a person must approve"
SAYS = {
    "402": "daily cap", "403": "is not granted", "500": "not now", "withheld": "is not granted",
    "withheld stream": "is not granted", "cut": "broke off",
    "held request": HELD, "held stream": HELD, "held answer": HELD,
}  # fmt: skip
"""What the gateway's answer says, and a client should show."""
REPEATED = "was made before as"
MUTE = " not shown"


def measured(
    name: str, client: Client, mode: str, key: str, situation: str, on: Stage, provider: Provider, chosen: Namespace
) -> tuple[str, str]:
    """Return asked/sent/bought, and what the client printed if it ended well."""
    asked, sent = len(on.entries("call.opened", "call.refused")), len(on.upstream.seen)
    provider.situation, provider.sold = situation, []
    printed, code = run(name, client, mode, key, on, chosen)
    time.sleep(1)
    asked = len(on.entries("call.opened", "call.refused")) - asked
    sent = len(on.upstream.seen) - sent
    cell = f"{asked}/{sent}/{len(provider.sold)}{'+' if code is None else ''}"
    if len(set(provider.sold)) < len(provider.sold):
        cell += TWICE
    if not any(one in " ".join(printed.split()) for one in (SAYS.get(situation, ""), REPEATED)):
        cell += MUTE
    lines = [one.strip() for one in printed.splitlines() if one.strip()]
    told = next((one for one in reversed(lines) if "rror" in one), lines[-1] if lines else "-")
    print(f"{name:20s} {situation or mode:20s} {cell:8s} {told[: chosen.width]}", file=sys.stderr, flush=True)
    return cell, printed if code == 0 else ""


def worked(
    name: str, client: Client, situation: str, key: str, on: Stage, provider: Provider, chosen: Namespace
) -> str:
    """What a program made of one prompt, and by which rule its task was found."""
    before = len(on.entries("call.opened"))
    cell, printed = measured(name, client, "plain", key, situation, on, provider, chosen)
    sources = {one.facts["task_source"] for one in on.entries("call.opened")[before:]}
    enough = len(provider.sold) > (situation == "shell")
    return f"yes {cell}, task: {' '.join(sorted(sources))}" if "hello" in printed and enough else "NO"


def row(name: str, client: Client, on: Stage, provider: Provider, chosen: Namespace) -> list[str]:
    """What works, then every situation."""
    program, cells = "command" in client, []
    own, poor = ("coder", "coder-small") if program else ("agent", "small")
    for mode, right in chosen.works.items():
        if (program and mode not in PROGRAMS) or mode in client.get("without", ()):
            cells.append("")
        elif program:
            cells.append(worked(name, client, PROGRAMS[mode], own, on, provider, chosen))
        else:
            cell, printed = measured(name, client, mode, own, "", on, provider, chosen)
            for more, needed in NEEDS.items():
                if right not in printed:
                    cell, printed = measured(name, client, mode, more, "", on, provider, chosen)
                    cell += f" with {needed}"
            cells.append(f"yes {cell}" if right in printed else "NO")
    if "NO" in cells[:1]:
        return cells + [""] * len(chosen.situations)
    for situation, (mode, key) in chosen.situations.items():
        if situation in client.get("without", ()):
            cells.append("")
            continue
        key = {"": own, "poor": poor}.get(key, key)
        cells.append(measured(name, client, mode, key, situation, on, provider, chosen)[0])
    return cells


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clients", type=Path, default=Path("~/clients").expanduser(), help="where they are installed")
    parser.add_argument("--only", help="names, with commas")
    parser.add_argument("--situations", help="names, with commas; what works is not tried then")
    parser.add_argument("--seconds", type=float, default=30, help="after which a client is cut off")
    parser.add_argument("--width", type=int, default=100, help="of what is shown of a client's last line")
    chosen = parser.parse_args()
    names = chosen.situations.split(",") if chosen.situations else SITUATIONS
    chosen.works = {} if chosen.situations else WORKS
    chosen.situations = {name: SITUATIONS[name] for name in names}
    node = chosen.clients / "node" / "node_modules" / "node" / "bin"
    os.environ["PATH"] = f"{node}{os.pathsep}{os.environ['PATH']}"
    return chosen


def main() -> None:
    chosen = arguments()
    end_on_sigterm()
    logging.disable(logging.ERROR)  # of streams that are broken off on purpose
    listed: dict[str, Client] = tomllib.loads((SCRIPTS / "clients.toml").read_text("utf-8"))
    chosen.folder = Path(tempfile.mkdtemp(prefix="bench-clients-"))
    conditions(chosen.folder)
    lines = [["client", *chosen.works, *chosen.situations]]
    lines.append(["---"] * len(lines[0]))
    try:
        with standing(chosen.folder / "home") as (on, provider):
            for name in chosen.only.split(",") if chosen.only else listed:
                if absent := missing(name, listed[name], chosen.clients):
                    print(f"{name:20s} not installed: {absent}")
                    continue
                told = versions(name, listed[name], chosen.clients)
                lines.append([told, *row(name, listed[name], on, provider, chosen)])
    finally:
        stop_all()
        shutil.rmtree(chosen.folder, ignore_errors=True)
        print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    sys.exit(any(TWICE in cell for line in lines for cell in line))


if __name__ == "__main__":
    main()
