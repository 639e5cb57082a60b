"""A pack as HTML: facts in a fixed order of pages. Rendering to PDF is `reports.pack.pdf`."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ledger.amounts import eur
from reports.pack.facts import MAX_ROWS, PackFacts
from reports.why.answer import BOUNDARY, WhyAnswer


@cache
def _environment() -> Environment:
    loader = PackageLoader("reports.pack", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["eur"] = eur
    return environment


def as_html(
    said: Mapping[str, Any], facts: PackFacts, examples: Sequence[WhyAnswer], *, organisation: str, vkey: str,
    certificate: str,
) -> str:  # fmt: skip
    """Return the document.

    Args:
        said: what pack.json says; the numbers printed are those.
        examples: the why answers of the drawn calls, in order of drawing.
        vkey: the verifier key, printed for comparison with the pinned one only.
    """
    return _environment().get_template("pack.html.j2").render(
        said=said, facts=facts, examples=examples, organisation=organisation, vkey=vkey, certificate=certificate,
        boundary=BOUNDARY, max_rows=MAX_ROWS,
    )  # fmt: skip
