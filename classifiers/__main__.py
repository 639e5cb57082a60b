"""`python -m classifiers links|credentials --jsonl`: judge texts from standard input, a line each."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from classifiers.credentials.found import credentials_in
from classifiers.leaks.addresses import ascii_host
from classifiers.leaks.links import leaks_in

Judge = Callable[[str], list[dict[str, Any]]]


class BadLine(ValueError):
    """A line that is no object with an `id` and a `text`."""


def arguments(given: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(prog="python -m classifiers", description="Judge texts without a network.")
    commands = parser.add_subparsers(dest="command", required=True)
    links = commands.add_parser("links", help="addresses that carry something out of an answer")
    keys = commands.add_parser("credentials", help="keys, tokens and passwords")
    for one in (links, keys):
        one.add_argument("--jsonl", action="store_true", required=True, help='read {"id", "text"} lines')
    links.add_argument(
        "--allow", action="append", default=[], metavar="HOST", help="a host that may be asked; *.HOST for all below it"
    )
    return parser.parse_args(given)


def judge_of(chosen: Namespace) -> Judge:
    """Return what finds in a text what a command looks for."""
    if chosen.command == "credentials":
        return lambda text: [asdict(one) for one in credentials_in(text)]
    allowed = frozenset(ascii_host(one) for one in chosen.allow)
    return lambda text: [{"kind": "exfiltration"} | asdict(one) for one in leaks_in(text, allowed)]


def judged(lines: Iterable[str], judge: Judge) -> Iterator[str]:
    """Yield a line of findings for each line.

    Raises:
        BadLine: with the number of the line and what to send.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _row(number, line)
            yield json.dumps({"id": row["id"], "findings": judge(row["text"])}, ensure_ascii=False)


def _row(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadLine(f"line {number} is not JSON ({error})") from error
    if not isinstance(row, dict) or "id" not in row or not isinstance(row.get("text"), str):
        raise BadLine(f'line {number} must be an object: {{"id": .., "text": "the answer"}}')
    return row


def main() -> int:
    chosen = arguments()
    try:
        for line in judged(sys.stdin, judge_of(chosen)):
            print(line, flush=True)
    except BadLine as error:
        print(f"{error}; nothing after it was judged", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
