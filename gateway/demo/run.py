"""The demo: the whole product once, end to end, ending by itself."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from gateway.demo import tampering
from gateway.demo.stories import SPOKEN, STORIES
from gateway.demo.world import COMPLIANCE, World, running
from gateway.oversight.acts import time_zone
from gateway.packing import Composed, PackRequest, compose, record, sealed
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import opened
from ledger.note import Signer
from reports.pack.pdf import PdfUnavailable
from reports.why.answer import why
from reports.why.text import as_text

MARK = ".whyledger-demo"
ASKED = "ticket:4711"
DONE, PDF_SKIPPED = 0, 3

console = Console(highlight=False, soft_wrap=True)


def run_demo(home: Path, *, live: bool, environment: Mapping[str, str]) -> int:
    """Run the demo in `home` (made anew if an earlier demo made it) and return the exit code."""
    if home.exists():
        if not (home / MARK).exists():
            console.print(f"{home} exists and was not made by the demo; choose another with WHYLEDGER_HOME")
            return 1
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / MARK).touch()
    installed = home.absolute() / "installation"
    _say(
        1,
        "keys, databases, people, configuration; then the server and " + ("a real provider" if live else "the sandbox"),
    )
    with running(installed, environment=environment, live=live) as world:
        _say(2, f"the stories, over HTTP, with {SPOKEN}")
        asked = _tell(world, live=live)
        _say(3, f"why {asked}")
        _explain(world, asked)
        page = home / "why.html"
        page.write_bytes(world.get(f"/why/{asked}", person=COMPLIANCE))
        token = world.tokens[COMPLIANCE]
    _say(4, "the evidence pack: composed, sealed, recorded")
    code = _pack(world, home)
    console.print(f"\nthe why page     {page}")
    console.print(f"served again by  whyledger --home {installed} serve")
    console.print(f"                 http://127.0.0.1:8080/why/{asked}   (sign in with {token})")
    return code


def _say(number: int, text: str) -> None:
    console.print(f"\n[bold]{number}[/bold] {text}")


def _tell(world: World, *, live: bool) -> str:
    told = [story for story in STORIES if story.live or not live]
    for story in told:
        started = time.perf_counter()
        line = story.tell(world, story.task)
        console.print(
            f"  {story.task:<22} {story.title}\n  {'':<22} -> {line[:100]} ({time.perf_counter() - started:.1f} s)"
        )
    return ASKED if not live else told[0].task


def _explain(world: World, ref: str) -> None:
    with opened(world.settings) as installation:
        installation.checkpointer.sign(now=True)
        evidence = LiveEvidence(installation, time_zone(installation))
        console.print(as_text(why(ref, *evidence.resolve(ref), evidence)), markup=False)


def _pack(world: World, home: Path) -> int:
    request = PackRequest(
        start="2020-01-01", end="2100-01-01", seed="auditor-2026", person=COMPLIANCE, token=world.tokens[COMPLIANCE]
    )
    with opened(world.settings) as installation:
        composed = compose(installation, request)
        (home / "bundle.zip").write_bytes(composed.bundle)
        (home / "head.note").write_bytes(world.settings.head_file.read_bytes())
        try:
            made = sealed(installation, composed)
        except PdfUnavailable as error:
            console.print(f"  the PDF is skipped, and only the PDF: {error}", markup=False)
            made = None
        if made:
            record(installation, request, made)
            (home / "pack.pdf").write_bytes(made.pdf)
            console.print(
                f"  {home / 'pack.pdf'}: {made.entries} entries, {made.calls} calls, pack {made.pack_id}", markup=False
            )
    pack = home / ("pack.pdf" if made else "bundle.zip")
    _say(5, "verified offline, in a process of its own that loads none of the gateway")
    if _verify(pack, world.vkey, home / "head.note") != 0:
        return 1
    _say(6, "copies are tampered with; the verifier must refuse each")
    if not _tamper(composed, pack, world, home):
        return 1
    return DONE if made else PDF_SKIPPED


def _verify(file: Path, vkey: str, head: Path, *, quiet: bool = False) -> int:
    command = [
        sys.executable,
        "-m",
        "ledger",
        "verify",
        str(file.absolute()),
        "--key",
        vkey,
        "--head",
        str(head.absolute()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if quiet:
        failed = [line for line in done.stdout.splitlines() if "FAIL" in line] or done.stderr.splitlines()[-1:]
        console.print(f"    {failed[0].strip() if failed else 'NOT REFUSED'}", markup=False)
    else:
        console.print("\n".join(f"  {line}" for line in done.stdout.splitlines()), markup=False)
    return done.returncode


def _tamper(composed: Composed, pack: Path, world: World, home: Path) -> bool:
    stranger = Signer.from_seed(world.vkey.partition("+")[0], bytes(32))
    data = pack.read_bytes()
    copies = {
        "one bit of the file flipped": tampering.flip(data, len(data) // 2),
        "amounts lowered, chain and tree recomputed": tampering.rewrite(
            composed.bundle, tampering.cheaper, signer=None
        ),
        "the same, signed by another key": tampering.rewrite(composed.bundle, tampering.cheaper, signer=stranger),
        "archived anew by an ordinary ZIP writer": tampering.reorder(composed.bundle),
    }
    if data.startswith(b"%PDF-"):
        copies["the seal cut off"] = tampering.without_seal(data)
    refused = 0
    for name, changed in copies.items():
        copy = home / "tampered"
        copy.write_bytes(changed)
        console.print(f"  {name}")
        refused += _verify(copy, world.vkey, home / "head.note", quiet=True) == 1
        copy.unlink()
    console.print(f"  {refused} of {len(copies)} copies were refused")
    return refused == len(copies)
