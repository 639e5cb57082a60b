"""Small bar charts as inline SVG. Each stands beside its table, which says the same in numbers."""

from collections.abc import Sequence
from html import escape

WIDTH, LABEL, HEIGHT, GAP = 480, 200, 14, 5


def bars(rows: Sequence[tuple[str, int, str]], title: str) -> str:
    """Return horizontal bars.

    Args:
        rows: label, length in any unit, and the value as the table writes it.
        title: what a reader who does not see the picture is told.
    """
    most = max((value for _, value, _ in rows), default=0) or 1
    parts = [_bar(at, row, most) for at, row in enumerate(rows)]
    height = len(rows) * (HEIGHT + GAP)
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _bar(at: int, row: tuple[str, int, str], most: int) -> str:
    label, value, said = row
    y = at * (HEIGHT + GAP)
    long = round((WIDTH - LABEL - 120) * value / most, 1)
    shown = label if len(label) <= 42 else label[:41] + "\u2026"
    text = f'font-family="DejaVu Sans" font-size="7.5" y="{y + HEIGHT - 4}"'
    return (
        f'<text x="0" {text}>{escape(shown)}</text>'
        f'<rect x="{LABEL}" y="{y}" width="{max(long, 0.5)}" height="{HEIGHT}" fill="#4a6785"/>'
        f'<text x="{LABEL + long + 4}" {text}>{escape(said)}</text>'
    )
