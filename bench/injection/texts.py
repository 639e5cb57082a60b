"""The texts that the models learn from: our own corpus, composed, and labelled rows of others from a folder."""

import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifiers.injection.model import Source

CORPUS = Path(__file__).parent / "corpus"
HERE = "{{HERE}}"
SPEAKS_TO_A_MODEL = ("override", "fake_system", "hypothetical", "answer_change", "other_language")
"""Kinds of planted instructions that are attacks also where a person types them."""
SYLLABLES = ("ka", "mer", "lo", "sun", "ti", "bre", "no", "fal", "du", "wen", "ri", "gos")
_HOST = re.compile(r"\bexample\.(?:com|org|net)\b")
_CUTS = re.compile(r"\n|\. ")
PLANTED_A_CARRIER = 2


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, who it comes from, and where in it an instruction hides: None for nowhere, or all of it where unknown."""

    text: str
    source: Source
    attack: bool
    span: tuple[int, int] | None = None
    kind: str = "own"
    family: str = "own"
    """Rows of a family share wording: one order, one kind of attack."""
    origin: str = "own"
    """The corpus that a row comes from."""


def own_texts(seed: int = 1) -> Iterator[Labelled]:
    """Yield our corpus: carriers without and with an instruction planted in them, and what people type."""
    chance, names = random.Random(seed), random.Random(seed)
    carriers, planted, prompts, direct = (
        [_renamed(one, names) for path in sorted(CORPUS.glob(f"{name}*.jsonl")) for one in _rows(path)]
        for name in ("carriers", "planted", "prompts", "direct")
    )
    to_a_model = [one for one in planted if one["kind"] in SPEAKS_TO_A_MODEL]
    for carrier in carriers:
        yield from composed(carrier, planted, "data", chance)
        yield Labelled(carrier["user"], "person", False)
    for one in prompts:
        yield Labelled(one["text"], "person", False)
        if one["kind"] in ("long", "ordinary"):
            yield from composed(one, to_a_model + direct, "person", chance, count=1)
    for one in direct + to_a_model:
        yield Labelled(one["text"], "person", True, (0, len(one["text"])))


def _renamed(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a row with other hosts: `example.org` is in ours alone, and stands more often where something is planted."""

    def host(found: re.Match[str]) -> str:
        return "".join(chance.choices(SYLLABLES, k=3)) + chance.choice((".com", ".org", ".net", ".de", ".io"))

    return row | {"text": _HOST.sub(host, row["text"])}


def composed(
    carrier: dict[str, Any],
    planted: Sequence[dict[str, Any]],
    source: Source,
    chance: random.Random,
    count: int = PLANTED_A_CARRIER,
) -> Iterator[Labelled]:
    """Yield a carrier as it is, and with instructions in it: where it has a place for them, or between two sentences."""
    text, filler = carrier["text"], carrier.get("filler", "")
    yield Labelled(text.replace(HERE, filler), source, False)
    if HERE in text and filler:
        yield Labelled(text.replace(HERE, ""), source, False)
    for one in chance.sample(planted, count):
        before, after = _place(text, filler, chance)
        yield Labelled(before + one["text"] + after, source, True, (len(before), len(before) + len(one["text"])))


def _place(text: str, filler: str, chance: random.Random) -> tuple[str, str]:
    """Return what stands before an instruction and what stands behind it."""
    if HERE in text and chance.random() < 0.75:
        before, after = text.split(HERE)
        beside = filler if chance.random() < 0.3 else ""
        return (
            (before + f"{beside} ", after)
            if beside and chance.random() < 0.5
            else (before, f" {beside}" * bool(beside) + after)
        )
    whole = text.replace(HERE, filler)
    cuts = [found.end() for found in _CUTS.finditer(whole)] or [0]
    cut = chance.choice([0, len(whole), chance.choice(cuts), chance.choice(cuts)])
    space = "\n" if chance.random() < 0.6 else " "
    before, after = whole[:cut], whole[cut:]
    return (before + space if before.rstrip() == before and before else before), (space + after if after else "")


def rows_of_others(folder: Path) -> list[Labelled]:
    """Return the rows of `injection.jsonl`: `text`, or `tool_result` for data, with `label`, `source` and `kind`."""
    return [
        Labelled(
            row.get("tool_result") or row["text"],
            "data" if "tool_result" in row else "person",
            row["label"] == "attack",
            kind=row["kind"],
            family=_family(row),
            origin=row["source"].split()[0],
        )
        for row in _rows(folder / "injection.jsonl")
    ]


def questions_of_others(folder: Path) -> Iterator[Labelled]:
    """Yield what people had asked before a tool gave its result: ordinary wishes."""
    for text in sorted({row["user"] for row in _rows(folder / "injection.jsonl") if "tool_result" in row}):
        yield Labelled(text, "person", False, family=text)


def _family(row: dict[str, Any]) -> str:
    """Return what a row shares its wording with: an attacker's order, a kind of attack, or a clean text's beginning."""
    said = row.get("tool_result") or row["text"]
    if row["label"] != "attack":
        return f"{row['source']} {said[:40]}"
    return f"{row['source']} {row.get('attacker_tools') or row.get('attack_category') or row.get('variant') or row['kind']}"


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
