"""A scorecard as one printed A4, and as lines for a terminal."""

import hashlib
from datetime import datetime
from functools import cache

from jinja2 import Environment

from reports.pack.pdf import render
from reports.scorecard.card import Card, headline, interval_said, money, said
from reports.scorecard.charts import columns
from reports.templates import environment

MOST_WORKFLOWS = 6


@cache
def _environment() -> Environment:
    return environment("reports.scorecard", money=money)


def as_html(card: Card, organisation: str, made: datetime) -> str:
    """Return the document of one page."""
    lines = [(one, headline(one), interval_said(one), said(one, one.before)) for one in card.lines]
    return _environment().get_template("scorecard.html.j2").render(
        card=card, organisation=organisation, made=f"{made:%Y-%m-%d %H:%M} UTC", lines=lines,
        chart=columns([(day, cost, money(cost)) for day, _, cost in card.days], "Spend by day"),
        most=MOST_WORKFLOWS,
    )  # fmt: skip


def as_pdf(card: Card, organisation: str, made: datetime) -> bytes:
    """Return the page as PDF.

    Raises:
        PdfUnavailable: no PDF can be rendered here.
    """
    html = as_html(card, organisation, made)
    return render(html, None, at=made, identifier=hashlib.sha256(html.encode()).digest()[:16])


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
