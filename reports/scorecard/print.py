"""A scorecard as one printed A4, and as lines for a terminal."""

import hashlib
from datetime import datetime
from functools import cache
from io import BytesIO

from jinja2 import Environment

from reports.pack.pdf import render
from reports.scorecard.card import Card, headline, interval_said, money, said
from reports.scorecard.charts import columns
from reports.templates import environment

MOST = ((6, 6, 4), (6, 6, 4), (4, 4, 2))
"""Rows of workflows and decisions, lines of quality, and prompts or evaluations, from loose to dense."""


@cache
def _environment() -> Environment:
    return environment("reports.scorecard", money=money)


def as_html(card: Card, organisation: str, made: datetime, level: int = 0) -> str:
    """Return the document: loose (0), dense (1), or dense without notes and chart (2)."""
    most, most_quality, few = MOST[level]
    quality = [one for one in card.lines if one.id.startswith("quality-")][most_quality:]
    shown = [one for one in card.lines if one not in quality]
    lines = [(one, headline(one), interval_said(one), said(one, one.before)) for one in shown]
    return _environment().get_template("scorecard.html.j2").render(
        card=card, organisation=organisation, made=f"{made:%Y-%m-%d %H:%M} UTC", lines=lines,
        chart=columns([(day, cost, money(cost)) for day, _, cost in card.days], "Spend by day"),
        most=most, few=few, left_out=len(quality), level=level,
    )  # fmt: skip


def as_pdf(card: Card, organisation: str, made: datetime) -> bytes:
    """Return the page as PDF, as dense as it must be to be one.

    Raises:
        PdfUnavailable: no PDF can be rendered here.
    """
    for level in range(len(MOST)):
        html = as_html(card, organisation, made, level)
        data = render(html, None, at=made, identifier=hashlib.sha256(html.encode()).digest()[:16])
        if _pages(data) == 1:
            break
    return data


def _pages(data: bytes) -> int:
    from pyhanko.pdf_utils.reader import PdfFileReader

    return int(PdfFileReader(BytesIO(data)).root["/Pages"]["/Count"])


def as_text(card: Card) -> str:
    """Return the lines for a terminal."""
    width = max(len(one.title) for one in card.lines)
    found = [f"{card.subject}: {card.period} ({card.zone}), beside {card.before}"]
    for one in card.lines:
        parts = [headline(one), interval_said(one), one.change, one.status, one.note]
        found.append(f"{one.title.ljust(width)}  {'; '.join(part for part in parts if part)}")
    found += [f"needs a decision: {one}" for one in card.decisions]
    found += [f"not measured: {one}" for one in card.not_measured]
    return "\n".join([*found, card.prices, f"from a log of {card.as_of} entries"])
