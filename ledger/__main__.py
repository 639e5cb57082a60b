"""`python -m ledger verify FILE`: the auditor's program. Also built as the zipapp `whyledger-verify.pyz`.

`python -m ledger extract PACK -o FOLDER` writes the files of the embedded bundle once nothing failed.

Exit codes: 0 nothing failed and what was asked for was checked, 1 something failed, 2 incomplete, 3 wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ledger import bundle
from ledger.errors import LedgerError, NoteInvalid, of_file
from ledger.note import VerifierKey
from ledger.pdf import embedded_file
from ledger.steps import LEVELS, Report
from ledger.store.live import URL_PREFIX, LiveLog, open_live
from ledger.verify import verify_pack
from ledger.verify_contents import Opening
from ledger.verify_log import verify_log
from ledger.waiting import waiting

VALID, INVALID, INCOMPLETE, USAGE = range(4)


@dataclass(frozen=True, slots=True)
class Own:
    """The installation that the program is started in: what it verifies where no file is named."""

    live: LiveLog
    vkey: str
    head: bytes | None
    """The head that is kept outside the database."""
    opening: Opening


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


def _parser(owns: bool) -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ledger", description="Check evidence offline; trusts nobody.")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="verify a PDF pack, a bundle, or a live database")
    verify.add_argument(
        "file", type=_where, nargs="?" if owns else None,
        help="the PDF, the bundle (.zip), the SQLite database, or a postgresql:// URL"
        + ("; without one this installation, with its contents" if owns else ""),
    )  # fmt: skip
    verify.add_argument("--bundle", type=Path, help="a bundle that claims to be the one inside the PDF")
    verify.add_argument("--require", choices=LEVELS, help="fail as incomplete below this level")
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    extract = commands.add_parser("extract", help="verify a pack and write the files of its bundle")
    extract.add_argument("file", type=Path, help="the PDF or the bundle (.zip)")
    extract.add_argument("-o", "--output", type=Path, required=True, help="a folder that does not exist yet")
    for one in (verify, extract):
        one.add_argument("--key", action="append", default=[], type=_key, metavar="VKEY", help="a key you pinned")
        one.add_argument("--head", action="append", default=[], type=Path, help="a signed head you held before")
        one.add_argument("--seed", help="the seed you gave for drawing the worked examples")
    extract.set_defaults(bundle=None, require=None, json=False)
    return parser


def _key(text: str) -> str:
    """Read a pinned key. Copied from paper or PDF it may be broken across lines, so white space is ignored."""
    key = "".join(text.split())
    try:
        VerifierKey.parse(key)
    except NoteInvalid as error:
        raise argparse.ArgumentTypeError(
            f"{error}; copy the whole key, like ledger.example.eu/main+1a2b3c4d+AbC..."
        ) from None
    return key


def _where(text: str) -> Path | str:
    return text if text.startswith(URL_PREFIX) else Path(text)


def main(arguments: Sequence[str] | None = None, own: Callable[[], AbstractContextManager[Own]] | None = None) -> int:
    """Run the program and return its exit code.

    Args:
        own: opens the installation that is verified where no file is named.
    """
    try:
        chosen = _parser(own is not None).parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        with waiting("verifying"), own() if own and chosen.file is None else nullcontext() as opened:
            report = _verify_own(chosen, opened) if opened else _verify(chosen)
    except OSError as error:
        print(f"python -m ledger: {of_file(error)}", file=sys.stderr)
        return USAGE
    except LedgerError as error:
        print(f"python -m ledger: {error}", file=sys.stderr)
        return INVALID
    code = _code(report, chosen)
    print(_json(report, code) if chosen.json else _text(report, code))
    if chosen.command == "extract" and not report.failed:
        _write(chosen.file, chosen.output)
    return code


def _write(file: Path, folder: Path) -> None:
    """Write the bundle that was verified, and its files."""
    data = file.read_bytes()
    archive = embedded_file(data) if data.startswith(b"%PDF-") else data
    folder.mkdir(parents=True)
    for name, content in {"bundle.zip": archive, **bundle.read(archive)}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    print(f"wrote the bundle and its files to {folder}")


def _verify(chosen: argparse.Namespace) -> Report:
    held = [path.read_bytes() for path in chosen.head]
    if chosen.command == "extract" and chosen.output.exists():
        raise FileExistsError(f"{chosen.output} is there already: name a folder that is not")
    if _is_database(chosen.file):
        return _verify_live(open_live(chosen.file), chosen.key, held)
    beside = chosen.bundle.read_bytes() if chosen.bundle else None
    return verify_pack(
        chosen.file.read_bytes(), vkeys=list(dict.fromkeys(chosen.key)), held=held, beside=beside, seed=chosen.seed
    )


def _verify_own(chosen: argparse.Namespace, own: Own) -> Report:
    """Verify the own installation, by its own key and against its own head where none is given."""
    held = [path.read_bytes() for path in chosen.head] or ([own.head] if own.head else [])
    return _verify_live(own.live, chosen.key or [own.vkey], held, own.opening)


def _verify_live(live: LiveLog, vkeys: Sequence[str], held: Sequence[bytes], opening: Opening | None = None) -> Report:
    vkeys = list(dict.fromkeys(vkeys))
    return verify_log(
        live.read, origin=live.origin, size=live.size, root=live.root, signed=live.signed, vkeys=vkeys, held=held,
        kept=live, opening=opening,
    )  # fmt: skip


def _is_database(where: Path | str) -> bool:
    if isinstance(where, str):
        return True
    with where.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _code(report: Report, chosen: argparse.Namespace) -> int:
    if report.failed or report.level is None:
        return INVALID
    if chosen.require and LEVELS.index(report.level) < LEVELS.index(chosen.require):
        return INCOMPLETE
    there = {step.name for step in report.steps}  # a live log draws no examples: a seed is nothing to check there
    asked = [("pinned key", True), ("held head", bool(chosen.head)), ("auditor's seed", chosen.seed is not None)]
    lacking = any(wanted and name in there and not report.passed(name) for name, wanted in asked)
    return INCOMPLETE if lacking else VALID


_VERDICTS = {VALID: "VALID", INVALID: "INVALID", INCOMPLETE: "INCOMPLETE"}
_MEANING = {
    "L0": "self-consistent; who made it is not proved",
    "L1": "made by the holder of the pinned key; whether that holder rewrote history is NOT CHECKED",
    "L2": "made by the holder of the pinned key, and it continues the head you held",
}


def _text(report: Report, code: int) -> str:
    lines = [f"{step.number:>2}  {step.result:<11}  {step.name:<14} {step.detail}" for step in report.steps]
    level = report.level
    verdict = _VERDICTS[code] + (f" to level {level}: {_MEANING[level]}" if level else "")
    return "\n".join([*lines, verdict])


def _json(report: Report, code: int) -> str:
    steps = [
        {"number": one.number, "name": one.name, "result": one.result, "detail": one.detail} for one in report.steps
    ]
    return json.dumps({"verdict": _VERDICTS[code], "level": report.level, "steps": steps}, indent=2)


if __name__ == "__main__":
    raise SystemExit(main())
