"""Notebooks: the code of their cells as one module, and where each of its lines stands in the file."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notebook:
    """The code of a notebook. `lines[n]` is the line of the file on which line n + 1 of the code stands."""

    code: str
    lines: tuple[int, ...]


def read_notebook(text: str) -> Notebook | None:
    """Return the code of a notebook; nothing where the file is none, or its code is no Python."""
    try:
        document = json.loads(text)
        language = document.get("metadata", {}).get("kernelspec", {}).get("language", "python")
        cells = [one["source"] for one in document["cells"] if one["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if language != "python":
        return None
    code, places, at = [], [], 0
    for source in cells:
        for line in (source if isinstance(source, str) else "".join(map(str, source))).split("\n"):
            at = _found(text, line, at)
            places.append(text.count("\n", 0, at) + 1)
            code.append(_plain(line))
    return Notebook("\n".join(code) + "\n", tuple(places))


def _found(text: str, line: str, start: int) -> int:
    """Return where a line of code stands in the file, at or after a place."""
    for written in (json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1]):
        at = text.find(written, start)
        if written and at >= 0:
            return at
    return start


def _plain(line: str) -> str:
    """Return a line without the commands of the notebook, `%time` and `!pip`, which are no Python."""
    indent = line[: len(line) - len(line.lstrip())]
    return f"{indent}pass" if line.lstrip().startswith(("%", "!", "?")) else line
