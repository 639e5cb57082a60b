"""`python -m classifiers scan|links|credentials --jsonl`: judge texts from standard input, a line each."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from classifiers.credentials.found import credentials_in
from classifiers.leaks.addresses import ascii_host
from classifiers.leaks.links import leaks_in
from classifiers.personal_data.found import personal_data_in

Row = dict[str, Any]
Judge = Callable[[Row], dict[str, Any]]
NEEDED = ("numpy", "stdnum")
"""Of the extra `screening`."""


class BadLine(ValueError):
    """A line that is no object with an `id` and a `text`."""


def arguments(given: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(prog="python -m classifiers", description="Judge texts without a network.")
    commands = parser.add_subparsers(dest="command", required=True)
    scan = commands.add_parser("scan", help="hidden instructions, keys and personal data")
    links = commands.add_parser("links", help="addresses that carry something out of an answer")
    keys = commands.add_parser("credentials", help="keys, tokens and passwords")
    for one in (scan, links, keys):
        one.add_argument("--jsonl", action="store_true", required=True, help='read {"id", "text"} lines')
    links.add_argument(
        "--allow", action="append", default=[], metavar="HOST", help="a host that may be asked; *.HOST for all below it"
    )
    return parser.parse_args(given)


def judge_of(chosen: Namespace) -> Judge:
    """Return what judges a line as a command does.

    Raises:
        ModuleNotFoundError: `scan` without the extra `screening`.
    """
    if chosen.command == "scan":
        return _scan()
    if chosen.command == "credentials":
        return lambda row: {"findings": [asdict(one) for one in credentials_in(row["text"])]}
    allowed = frozenset(ascii_host(one) for one in chosen.allow)
    return lambda row: {"findings": [{"kind": "exfiltration"} | asdict(one) for one in leaks_in(row["text"], allowed)]}


def _scan() -> Judge:
    import stdnum  # noqa: F401 - it is needed at the first number, and then it would be late to say that it is missing

    from classifiers.injection.model import injection_in

    def judge(row: Row) -> dict[str, Any]:
        is_data = "tool_result" in row
        text = row["tool_result"] if is_data else row["text"]
        score, hidden = injection_in(text, "data" if is_data else "person")
        findings = [*hidden, *credentials_in(text), *personal_data_in(text)]
        findings.sort(key=lambda one: (one.start, -one.end))
        return {"injection": round(score, 6), "findings": [asdict(one) for one in findings]}

    return judge


def judged(lines: Iterable[str], judge: Judge, keys: Sequence[str] = ("text",)) -> Iterator[str]:
    """Yield a line of what was found for each line that has one of those keys.

    Raises:
        BadLine: with the number of the line and what to send.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _row(number, line, keys)
            yield json.dumps({"id": row["id"]} | judge(row), ensure_ascii=False)


def _row(number: int, line: str, keys: Sequence[str]) -> Row:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise BadLine(f"line {number} is not JSON ({error})") from error
    said = [row[key] for key in keys if key in row] if isinstance(row, dict) and "id" in row else []
    if not said or not all(isinstance(one, str) for one in said):
        shapes = " or ".join(f'{{"id": .., "{key}": ".."}}' for key in keys)
        raise BadLine(f"line {number} must be an object: {shapes}")
    found: Row = row
    return found


def main() -> int:
    chosen = arguments()
    keys = ("text", "tool_result") if chosen.command == "scan" else ("text",)
    try:
        for line in judged(sys.stdin, judge_of(chosen), keys):
            print(line, flush=True)
    except BadLine as error:
        print(f"{error}; nothing after it was judged", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        print(f"scan needs {error.name}: pip install 'whyledger[screening]'", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
