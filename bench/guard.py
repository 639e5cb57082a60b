"""`python -m bench.guard PATH`: what the detectors find in labelled texts, and what that costs.

PATH is a folder of JSON lines that others wrote: `output_exfil.jsonl` has answers with `text` and `label` (attack or
benign), `secrets.jsonl` has `text_b64` and `label` (secret or clean). No row of it is kept here.
"""

import json
import time
from argparse import ArgumentParser
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.rig.compare import conditions
from classifiers.credentials.found import credentials_in
from classifiers.leaks.links import leaks_in

WORDS = "The report is ready, and the invoice of March (no. 2024/117) was paid on time, said the holder. " * 400


def rows_of(path: Path, source: str = "") -> list[tuple[str, bool]]:
    """Return the texts of a file, or those of a source, each with whether it holds what is looked for."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        (one["text"] if "text" in one else b64decode(one["text_b64"]).decode(), one["label"] in ("attack", "secret"))
        for one in rows
        if one["source"].startswith(source)
    ]


def told(what: str, rows: Sequence[tuple[str, bool]], find: Callable[[str], list[Any]]) -> None:
    found = Counter((holds, bool(find(text))) for text, holds in rows)
    held, clean = found[True, True] + found[True, False], found[False, True] + found[False, False]
    spent = [cost(text, find) for text in ("".join(text + "\n" for text, _ in rows) * 20, WORDS)]
    print(f"{what}: {found[True, True]} of {held} found, {found[False, True]} of {clean} clean texts reported;")
    print(f"    CPU a KB: {spent[0]:.2f} ms of nothing but such texts, {spent[1]:.2f} ms of prose")


def cost(text: str, find: Callable[[str], list[Any]]) -> float:
    """Return milliseconds of CPU a KB, the least of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        find(text)
        best = min(best, time.process_time() - began)
    return best * 1000 / (len(text.encode()) / 1024)


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path", type=Path)
    folder = parser.parse_args().path
    with TemporaryDirectory() as scratch:
        conditions(Path(scratch))
    told("leaks by links", rows_of(folder / "output_exfil.jsonl"), leaks_in)
    for source in ("authored", "gitleaks"):
        told(f"credentials ({source})", rows_of(folder / "secrets.jsonl", source), credentials_in)


if __name__ == "__main__":
    main()
