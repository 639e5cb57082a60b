"""`python -m bench.guard PATH`: what the detectors find in labelled texts, and what that costs.

PATH is a folder of JSON lines that others wrote: `output_exfil.jsonl` has answers with `text` and `label` (attack or
benign), `secrets.jsonl` has `text_b64` and `label` (secret or clean), `pii.jsonl` has `text` and `spans`. No row of it
is kept here. What the models of hidden instructions find is measured by `python -m bench.injection PATH`.
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
from classifiers.injection.model import injection_in
from classifiers.leaks.links import leaks_in
from classifiers.personal_data.found import personal_data_in

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


CHECKED = {"CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER", "US_SSN"}
"""Kinds of spans that have a form. Names and places need a model, and are not looked for."""


def personal_data(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "pii.jsonl").read_text("utf-8").splitlines()]
    found: Counter[tuple[str, bool]] = Counter()
    beside = 0
    for row in rows:
        places = [(one.start, one.end) for one in personal_data_in(row["text"])]
        for span in row["spans"]:
            if span["type"] in CHECKED:
                found[span["type"], any(a <= span["start"] and span["end"] <= b for a, b in places)] += 1
        beside += sum(all(b <= span["start"] or span["end"] <= a for span in row["spans"]) for a, b in places)
    kinds = ", ".join(
        f"{kind} {found[kind, True]} of {found[kind, True] + found[kind, False]}" for kind in sorted(CHECKED)
    )
    print(f"personal data: {kinds}; {beside} where nobody marked any")
    text = "".join(row["text"] + "\n" for row in rows)
    print(
        f"    CPU a KB: {cost(text, personal_data_in):.2f} ms of such texts, {cost(WORDS, personal_data_in):.2f} ms of prose"
    )


def hidden_instructions() -> None:
    for size in (1, 4, 16):
        spent = min(cost(WORDS[: size * 1024], lambda text: injection_in(text, "data")[1]) for _ in range(20))
        print(f"hidden instructions, CPU a KB: {spent:.2f} ms in a text of {size} KB")


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path", type=Path)
    folder = parser.parse_args().path
    with TemporaryDirectory() as scratch:
        conditions(Path(scratch))
    told("leaks by links", rows_of(folder / "output_exfil.jsonl"), leaks_in)
    for source in ("authored", "gitleaks"):
        told(f"credentials ({source})", rows_of(folder / "secrets.jsonl", source), credentials_in)
    personal_data(folder)
    hidden_instructions()


if __name__ == "__main__":
    main()
