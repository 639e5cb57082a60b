"""Characters that would not be seen on a page are written out as `U+9867`.

Two sorts: those that no font of this installation has a glyph for (the renderer says which), and those that never have
one: control and format characters, private use, fillers. A .notdef box would end PDF/A, and a reader could not tell
what stood there; a format character would be lost without a trace, or turn the direction of a whole line.
"""

import re
import unicodedata
from collections.abc import Set

from ledger.amounts import counted

PACKAGES = "fonts-noto-core fonts-noto-cjk"
PLACE = "<!--characters-->"
"""Where a document wants the note about its characters."""

_NEVER_SEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_JOINERS = frozenset("\u200c\u200d") | {chr(code) for code in range(0xFE00, 0xFE10)}
"""Not seen themselves, they shape the letter before them: kept behind one that is not ASCII, at most two in a row."""
_SPACES = frozenset("\t\n\r")
_NAMED = " and ".join(f'<span style="white-space: nowrap">{package}</span>' for package in PACKAGES.split())


def written_out(html: str, missing: Set[str] = frozenset()) -> str:
    """Return a document in which every character can be seen, with a note at `PLACE` where some are written out.

    Args:
        missing: the characters that no font has a glyph for.
    """
    unseen = {one for one in set(html) if one in missing or _never_seen(one)}
    if not unseen:
        return html
    count = dict.fromkeys(unseen, 0)

    def out(run: re.Match[str]) -> str:
        text = run.group()
        if len(text) <= 2 and set(text) <= _JOINERS - missing and _shapes(html, run.start()):
            return text
        for one in text:
            count[one] += 1
        return "".join(f'<span class="u">U+{ord(one):04X}</span>' for one in text)

    written = re.sub("[" + "".join(map(_escaped, unseen)) + "]+", out, html)
    return written.replace(PLACE, _note(count, missing), 1)


def _never_seen(one: str) -> bool:
    if one in _SPACES:
        return False
    supplement = 0xE0100 <= ord(one) <= 0xE01EF  # variation selectors: they can carry hidden text
    return unicodedata.category(one) in _NEVER_SEEN or one in _FILLERS or one in _JOINERS or supplement


def _shapes(html: str, position: int) -> bool:
    before = html[position - 1 : position]
    return bool(before) and not before.isascii() and not before.isspace()


def _escaped(one: str) -> str:
    return f"\\U{ord(one):08x}"


def _note(count: dict[str, int], missing: Set[str]) -> str:
    lacking = sum(number for one, number in count.items() if one in missing)
    hidden = sum(count.values()) - lacking
    lines = []
    if lacking:
        lines.append(
            f"{counted(lacking, 'character')} without a glyph in the fonts of this installation; "
            f"with {_NAMED} installed, a pack made after that shows more of them."
        )
    if hidden:
        lines.append(f"{counted(hidden, 'character')} that can never be seen: control and format characters.")
    if not lines:
        return ""
    how = 'They are written as <span class="u">U+9867</span>, the number in Unicode in a box; '
    return f'<p class="warn">{" ".join(lines)} {how}the embedded file has them as they were given.</p>'
