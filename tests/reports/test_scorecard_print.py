"""The printed scorecard is one page, however much there is to say, and says what it left out."""

from datetime import UTC, datetime
from io import BytesIO

import pikepdf
import pytest

from reports.scorecard.card import Card, Line, Offline, Row
from reports.scorecard.print import as_html, as_pdf

pytestmark = pytest.mark.slow
NOTE = "Correct 40, partial 3, incorrect 2; drawn 45 of 900 with an answer; people agree in 20 of 25, kappa 0.61. " * 3


def line(id_: str, note: str) -> Line:
    return Line(
        id=id_, title=f"Quality, tool selection: {id_}", unit="share", definition="x", value=0.5, numerator=41,
        denominator=80, low=0.4, high=0.6, how="Wilson", before=0.4, change="higher (clear)", note=note,
    )  # fmt: skip


def card(much: int) -> Card:
    rows = [
        Row(workflow=f"workflow-{n}", owner="A. Somebody", calls=100, errors=2, cost=10**9, share=0.1, bounded=0)
        for n in range(much)
    ]
    offline = Offline("2026-11-27", "support", "golden", "answer", "reply@2 gpt-4o", 41, 50, 0.6, 0.9)
    return Card(
        subject="all workflows", owner="", period="2026-11-01 to 2026-11-28", before="2026-10-04 to 2026-10-31",
        zone="Europe/Berlin", as_of=1, prices="Amounts by the price row and rate of each call.",
        lines=(line("spend", NOTE), *(line(f"quality-{n}", NOTE * min(much, 3)) for n in range(much))),
        days=tuple((f"2026-11-{day:02}", 3, 10**9) for day in range(1, 29)), models=(), routes=(),
        prompts=tuple((f"reply@{n}", 10, 10**9, "polite: 8 of 10 correct") for n in range(much)),
        offline=(offline,) * much, largest=(), workflows=tuple(rows),
        decisions=("support made calls and is not released as it is (owner: A. Somebody)",) * much,
        not_measured=("Calls that did not pass this gateway",),
    )  # fmt: skip


@pytest.mark.parametrize("much", [0, 3, 12])
def test_it_is_one_page(much: int) -> None:
    data = as_pdf(card(much), "Organisation", datetime(2026, 11, 28, tzinfo=UTC))
    with pikepdf.open(BytesIO(data)) as pdf:
        assert len(pdf.pages) == 1


def test_the_densest_page_says_what_it_leaves_out() -> None:
    html = as_html(card(12), "Organisation", datetime(2026, 11, 28, tzinfo=UTC), 2)
    for said in (
        "There is more to say",
        "Further lines of quality, on the page and in the CSV: 8",
        "Showing 4 of 12",
        "the last 2 of 12",
    ):
        assert said in html
    assert NOTE.strip() not in html
    assert NOTE.strip() in as_html(card(3), "Organisation", datetime(2026, 11, 28, tzinfo=UTC))
