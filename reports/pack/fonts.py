"""Which scripts the fonts of this installation can show, asked of fontconfig."""

import shutil
import subprocess

from reports.pack.glyphs import PACKAGES

LETTERS = "fonts-dejavu-core"
_SCRIPTS = {
    "Latin": "a", "Greek": "α", "Cyrillic": "я", "Hebrew": "א", "Arabic": "ا", "Devanagari": "अ", "Bengali": "অ",
    "Thai": "ก", "Chinese": "漢", "Japanese": "の", "Korean": "한",
}  # fmt: skip
"""A script, and a character that stands for it."""


def fonts_said() -> tuple[bool, str]:
    """Return whether packs can be read at all with the fonts here, and what to install for what they cannot show."""
    lister = shutil.which("fc-list")
    if lister is None:
        return True, "fonts: not looked at, as fc-list of fontconfig is not installed"
    lacking = [script for script, letter in _SCRIPTS.items() if not _has(lister, letter)]
    if "Latin" in lacking:
        return False, f"no font is installed: sudo apt-get install --no-install-recommends {LETTERS}"
    if not lacking:
        return True, "fonts for " + ", ".join(_SCRIPTS)
    return True, (
        f"no font for {', '.join(lacking)}: packs write such characters as U+9867. To see them: "
        f"sudo apt-get install --no-install-recommends {PACKAGES}"
    )


def _has(lister: str, letter: str) -> bool:
    query = [lister, f":charset={ord(letter):x}", "family"]
    return bool(subprocess.run(query, capture_output=True, check=False, timeout=20).stdout.strip())
