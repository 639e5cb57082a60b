"""Mutants of packs, and what two verifiers say of them.

`built` makes them one by one from nothing (forging.py): each breaks one rule of docs/formats or stands at its edge, and
says what must come of it. `changed` makes as many as asked for from a real pack by chance: both must say the same.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mutants_of_paper
import second_verifier
from forging import Draft, archived
from mutants_making import ACCEPTED, REFUSED, Mutant, one, unchecked
from mutants_of_entries import of_archive, of_disclosures, of_entries, of_period, of_range
from mutants_of_notes import of_bindings, of_consistency, of_heads, of_notes, of_seals
from mutants_of_statements import of_costs, of_statements
from second_verifier import form

from gateway.demo.stories import STORIES
from gateway.demo.world import COMPLIANCE, running
from gateway.packing import PackRequest, export
from gateway.settings import read_settings
from gateway.store.installation import opened
from ledger.verify import verify_pack


def ours(mutant: Mutant) -> str:
    """The verdict of the product."""
    try:
        report = verify_pack(mutant.data, vkeys=list(mutant.vkeys), held=mutant.held, seed=mutant.seed)
    except Exception as error:  # noqa: BLE001 - whatever escapes is the finding
        return f"error: {type(error).__name__}: {error}"
    if report.failed:
        return REFUSED
    left = {step.name for step in report.steps if step.result == "NOT CHECKED"} & mutant.asked()
    return unchecked(*left) if left else ACCEPTED


def second(mutant: Mutant) -> str:
    """The verdict of the second verifier."""
    try:
        left = second_verifier.verify(mutant.data, mutant.vkeys, mutant.held, mutant.seed) & mutant.asked()
    except second_verifier.Refused:
        return REFUSED
    return unchecked(*left) if left else ACCEPTED


def of_paper() -> Iterator[Mutant]:
    for name, expected, unclear, change in mutants_of_paper.changes():
        yield one(f"PDF: {name}", expected, change, paper=True, unclear=unclear)


PARTS: dict[str, Callable[[], Iterator[Mutant]]] = {
    "entries": of_entries, "statements": of_statements, "costs": of_costs, "disclosures": of_disclosures,
    "period": of_period, "range": of_range, "archive": of_archive, "notes": of_notes, "heads": of_heads,
    "consistency": of_consistency, "bindings": of_bindings, "seals": of_seals, "paper": of_paper,
}  # fmt: skip


def built() -> Iterator[Mutant]:
    """All of them."""
    for part in PARTS.values():
        yield from part()


def product_pack(home: Path) -> Mutant:
    """The pack of the product that is changed by chance: a few stories of the demo, and the period is not over."""
    with running(home, environment=os.environ) as world:
        for story in STORIES:
            if story.task in ("doc:onboarding", "ticket:4711"):
                story.tell(world, story.task)
    with opened(read_settings(home, environment={})) as installation:
        made = export(
            installation,
            PackRequest(start="2020-01-01", end="2100-01-01", seed="seed of the auditor", person=COMPLIANCE),
        )
    return Mutant("the product's pack", unchecked("completeness"), made.pdf, vkeys=(world.vkey,))


ODD: list[Any] = [None, True, False, 0, 1, -1, "", "x", [], {}, "5", 2**53]


def byte(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    new = chance.choice(
        [bytes([data[at] ^ (1 << chance.randrange(8))]), b"", data[at : at + 1] * 2, bytes([chance.randrange(256)])]
    )
    return data[:at] + new + data[at + 1 :]


def row(chance: random.Random, data: bytes) -> bytes:
    rows = data.splitlines(True)
    i, j = chance.randrange(len(rows)), chance.randrange(len(rows))
    what = chance.randrange(3)
    if what == 0:
        rows[i], rows[j] = rows[j], rows[i]
    elif what == 1:
        rows.insert(i, rows[j])
    else:
        rows.pop(i)
    return b"".join(rows)


def odd(chance: random.Random, value: dict[str, Any]) -> None:
    """Change one member of an object, or of an object in it."""
    inner = chance.choice([value, *(one_ for one_ in value.values() if isinstance(one_, dict) and one_)])
    name = chance.choice(list(inner))
    inner[name] = chance.choice([*ODD, inner[name], str(inner[name]), chance.choice(list(inner.values()))])


def member(chance: random.Random, data: bytes) -> bytes:
    """Change one member of one JSON text and write it as it should be written."""
    rows = data.split(b"\n")
    at = chance.choice([i for i, text in enumerate(rows) if text])
    value = json.loads(rows[at])
    objects = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict) and one]
    if objects:
        odd(chance, chance.choice(objects))
    else:
        value = [value]
    rows[at] = form(value)
    return b"\n".join(rows)


def changed(base: Mutant, count: int, chance: random.Random) -> Iterator[Mutant]:
    """So many random changes of a pack: of bytes of the PDF, of its bundle's files, of their lines and members."""
    pdf = base.data
    bundle = second_verifier.embedded(pdf)
    files = second_verifier.read_archive(bundle)
    for number in range(count):
        tables = [name for name in files if name.startswith("report/")]
        others = [name for name in files if name not in tables]
        name = chance.choice([*others, *([chance.choice(tables)] if tables else []), "the bundle", "the PDF"])
        if name == "the PDF":
            data = byte(chance, pdf)
        elif name == "the bundle":
            data = byte(chance, bundle)
        else:
            ways = [byte, row, *([member] * 2 if name.endswith((".jsonl", ".json")) and files[name] else [])]
            data = archived(files | {name: chance.choice(ways)(chance, files[name]) if files[name] else b"x"})
        yield replace(base, name=f"by chance {number}: {name}", expected=None, data=data)


def redrawn(count: int, chance: random.Random) -> Iterator[Mutant]:
    """So many drafts with one random member of an entry or of pack.json, chained, signed and stated as if it were right."""
    made = 0
    while made < count:
        draft, seq = Draft(), chance.randrange(25)
        draft.quoted = set(chance.sample(range(1, 20), 3)) | {0}
        if seq < 20:
            odd(chance, draft.log[seq])
        else:
            draft.on_pack.append(lambda said: odd(chance, said))
        try:
            data = draft.bundle()
        except (TypeError, AttributeError, ValueError):
            continue  # not even the numbers can be stated
        yield Mutant(f"redrawn {made}: {f'entry {seq}' if seq < 20 else 'pack.json'}", None, data)
        made += 1
