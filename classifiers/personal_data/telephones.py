"""Telephone numbers in a text. Pure.

A number with its country code stands alone. A national one is a number like any other, so it needs a word beside it,
unless it is written with brackets around three digits.
"""

import re
from collections.abc import Iterator

from classifiers.finding import Finding
from classifiers.personal_data.numbers import COUNTED

_INTERNATIONAL = re.compile(r"(?<![\w+])\+[1-9](?:[ \u00a0.\-/()]{0,2}\d){6,14}(?!\w)")
_NATIONAL = re.compile(
    r"(?<![\w.,@+-])(?:00[1-9]|\(?\d)(?:[ \u00a0.\-/()]{0,2}\d){5,13}(?:[ ,]{0,2}(?:x|ext\.? ?)\d{1,5})?"
    r"(?![\w%€$£]|[.,:-]\d)"
)
BEFORE, BEHIND = 40, 15
"""Characters in which a word that names a number is looked for."""
_BRACKETS = re.compile(r"\(\d{2,5}\)[ -]?\d{3,4}[ -]?\d{3,5}")
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}.*|\d{4} ?- ?\d{4}", re.DOTALL)
_WORDS = re.compile(
    r"(?<!\w)(?:phones?|telephone|tel|mobile|cell|cellphone|fax|whatsapp|sms|call|dial|ring|text me|reach (?:me|us)|"
    r"contact number|telefon\w*|handy\w*|mobil\w*|rufnummer|fon|anruf\w*|rufen|rückruf\w*|téléphone|portable|appel\w*|"
    r"teléfono|móvil|llam\w+|cellulare|chiam\w+|telefoon\w*|bel|telemóvel|ligue|puhelin\w*|zadzwoń|komórk\w+|тел|"
    r"телефон\w*)(?!\w)"
)


def telephones_in(text: str) -> Iterator[Finding]:
    """Yield the numbers of a text; national ones where a word says what they are."""
    for found in _INTERNATIONAL.finditer(text):
        yield _finding(found)
    national = list(_NATIONAL.finditer(text))
    if not national or ("(" not in text and not _WORDS.search(text.lower())):
        return
    for found in national:
        if not _DATE.fullmatch(found[0]) and (_BRACKETS.match(found[0]) or _is_named(text, found)):
            yield _finding(found)


def _is_named(text: str, found: re.Match[str]) -> bool:
    before = text[max(0, found.start() - BEFORE) : found.start()].lower()
    behind = text[found.end() : found.end() + BEHIND].lower()
    return not COUNTED.search(before) and any(_WORDS.search(one) for one in (before, behind))


def _finding(found: re.Match[str]) -> Finding:
    return Finding("personal_data", "telephone_number", found.start(), found.end())
