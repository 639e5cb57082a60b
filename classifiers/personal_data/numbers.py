"""Numbers that name a person or an account: identity numbers, cards, IBAN. Pure.

A check digit says yes to one random number in ten, so the weak ones need a word beside them (`numbers.yaml`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module

from classifiers.finding import Finding
from classifiers.resources import read_yaml

_RUN = re.compile(r"(?<![^\W_])[A-Z0-9]+(?:[ \u00a0\u202f./+-][A-Z0-9]+)*(?![^\W_])")
_PIECE = re.compile(r"[A-Z0-9]+")
_BEGINS = re.compile(r"[A-Z]*\d[A-Z0-9]*|[A-Z]{1,2}")
_DIVIDES = str.maketrans("", "", " \u00a0\u202f./+-")
MOST_PIECES, MOST_CHARACTERS, MOST_SINGLE = 10, 34, 2
"""Of a number that is written in pieces: an IBAN of 34 characters in fours has nine. A row of figures is no number."""
BEFORE, BEHIND = 60, 25
"""Characters in which a word that names a number is looked for."""
COUNTED = re.compile(
    r"(?:order|invoice|ticket|tracking|parcel|shipment|booking|reference|ref|sku|item|product|serial|imei|ean|isbn|issn|"
    r"bestellung|bestellnummer|rechnung|rechnungsnummer|auftrag|auftragsnummer|vorgang|sendung|artikel|"
    r"commande|facture|pedido|factura|ordine|fattura|zamówienie|faktura|[a-z]*_?id)"
    r"(?:[ _-]?(?:number|nummer|nr|no|id|code))?\W{0,4}$"
)
"""What counts things, right before a number: such a number names nobody unless another word says so."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A line of `numbers.yaml`. `written` is how it may be divided where no word stands beside it; None: never so."""

    name: str
    form: re.Pattern[str]
    lengths: range
    check: Callable[[str], bool]
    written: re.Pattern[str] | None
    mentions: tuple[str, ...]
    words: re.Pattern[str]


def numbers_in(text: str) -> Iterator[Finding]:
    """Yield what may overlap: one number can be of several kinds."""
    runs = [run for run in _RUN.finditer(text) if sum(map(str.isdigit, run[0])) >= 6]
    if runs:
        kinds = _possible_in(text.lower())
        for run in runs:
            yield from _in_run(text, run, kinds)


def _possible_in(lowered: str) -> dict[int, list[tuple[Kind, bool]]]:
    """Return by length the kinds that can stand alone, and those of which a word stands somewhere in a text (true)."""
    found: dict[int, list[tuple[Kind, bool]]] = {}
    for kind in known_kinds():
        mentioned = any(word in lowered for word in kind.mentions)
        for length in kind.lengths if kind.written or mentioned else ():
            found.setdefault(length, []).append((kind, mentioned))
    return found


def _in_run(text: str, run: re.Match[str], kinds: dict[int, list[tuple[Kind, bool]]]) -> Iterator[Finding]:
    pieces = [(run.start() + one.start(), run.start() + one.end()) for one in _PIECE.finditer(run[0])]
    for first, (start, end) in enumerate(pieces):
        if not _BEGINS.fullmatch(text, start, end):
            continue
        length = single = 0
        for begin, end in pieces[first : first + MOST_PIECES]:
            length, single = length + end - begin, single + (end - begin == 1)
            if length > MOST_CHARACTERS or single > MOST_SINGLE:
                break
            for kind, mentioned in kinds.get(length, ()):
                if _is(kind, text, start, end, mentioned):
                    yield Finding("personal_data", kind.name, start, end)


def _is(kind: Kind, text: str, start: int, end: int, mentioned: bool) -> bool:
    written = text[start:end]
    alone = kind.written and kind.written.fullmatch(written)
    if not (alone or mentioned) or not kind.form.fullmatch(written.translate(_DIVIDES)):
        return False
    before, behind = text[max(0, start - BEFORE) : start].lower(), text[end : end + BEHIND].lower()
    named = mentioned and (kind.words.search(before) or kind.words.search(behind))
    return bool(named or (alone and not COUNTED.search(before))) and kind.check(written)


@cache
def known_kinds() -> list[Kind]:
    return [
        Kind(
            name,
            re.compile(said["form"]),
            range(said["length"][0], said["length"][1] + 1),
            _check(said.get("check")),
            re.compile(said.get("written", said["form"])) if said.get("alone") else None,
            tuple(said["words"]),
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, said['words']))})(?!\w)"),
        )
        for name, said in read_yaml("classifiers.personal_data", "numbers.yaml").items()
    ]


def _has_iban_remainder(number: str) -> bool:
    """Tell whether the check digits of an IBAN fit: what 96 of 97 fail is looked at first, as the rest is slow."""
    compact = number.translate(_DIVIDES)
    try:
        return int("".join([str(int(one, 36)) for one in compact[4:] + compact[:4]])) % 97 == 1
    except ValueError:
        return False


def _check(module: str | None) -> Callable[[str], bool]:
    """Return what checks a number as it is written; a kind without check digits is known by its form alone."""
    if module is None:
        return lambda number: True
    valid: Callable[..., bool] = import_module(f"stdnum.{module}").is_valid
    if module == "iban":  # its national checks refuse banks that its list does not have
        known = partial(valid, check_country=False)
        return lambda number: _has_iban_remainder(number) and known(number)
    if module == "luhn":
        return lambda number: valid(number.translate(_DIVIDES))
    return valid
