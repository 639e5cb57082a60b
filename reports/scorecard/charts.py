"""Charts of the scorecard as inline SVG in the ink of the page; the table that says the same stands beside each."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, FOOT = 640, 120, 16
_TEXT = 'font-size="11" fill="currentColor"'


def columns(days: Sequence[tuple[str, int, str]], title: str) -> str:
    """Return upright bars, one a day.

    Args:
        days: day, height in any unit, and the value as the table writes it.
        title: what a reader who does not see the picture is told.
    """
    most = max((height for _, height, _ in days), default=0) or 1
    wide = WIDTH / max(len(days), 1)
    bars = "".join(
        f'<rect x="{at * wide + wide * 0.1:.1f}" y="{HEIGHT - HEIGHT * height / most:.1f}" width="{wide * 0.8:.1f}" '
        f'height="{max(HEIGHT * height / most, 0.5):.1f}" fill="currentColor" opacity="0.65">'
        f"<title>{escape(day)}: {escape(said)}</title></rect>"
        for at, (day, height, said) in enumerate(days)
    )
    ends = [(0.0, "start", days[0]), (float(WIDTH), "end", days[-1])] if days else []
    marks = "".join(
        f'<text x="{x:.0f}" y="{HEIGHT + FOOT - 3}" text-anchor="{anchor}" {_TEXT}>{escape(day)}</text>'
        for x, anchor, (day, _, _) in ends
    )
    top = max(days, key=lambda one: one[1], default=None)
    peak = f"most: {escape(top[2])}" if top else ""
    marks += f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT + FOOT - 3}" text-anchor="middle" {_TEXT}>{peak}</text>'
    return _svg(title, HEIGHT + FOOT, bars + marks)


def ranges(rows: Sequence[tuple[str, float, float | None, float | None, str]], title: str) -> str:
    """Return a dot with its interval for each row.

    Args:
        rows: label, value, low and high (None: open) in one unit from 0 on, and the value as the table writes it.
    """
    most = max((max(value, high or 0.0) for _, value, _, high, _ in rows), default=0.0) or 1.0
    left, room, step = 150, WIDTH - 150 - 130, 22
    parts = []
    for at, (label, value, low, high, said) in enumerate(rows):
        y, x = at * step + step / 2, left + room * value / most
        if low is not None:
            end = left + room * (most if high is None else high) / most
            parts.append(
                f'<line x1="{left + room * low / most:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}" stroke="currentColor" '
                'stroke-width="2" opacity="0.6"/>'
            )
        parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="currentColor"/>')
        parts.append(f'<text x="0" y="{y + 4}" {_TEXT}>{escape(label[:24])}</text>')
        parts.append(f'<text x="{left + room + 8}" y="{y + 4}" {_TEXT}>{escape(said)}</text>')
    return _svg(title, max(len(rows), 1) * step, "".join(parts))


def _svg(title: str, height: float, inside: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{inside}</svg>'
    )
