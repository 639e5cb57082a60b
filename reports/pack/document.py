"""A pack as HTML: facts in a fixed order of pages. Rendering to PDF is `reports.pack.pdf`."""

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ledger.amounts import eur
from reports.pack.examples import Example
from reports.pack.facts import MAX_ROWS, PackFacts
from reports.pack.glyphs import PLACE
from reports.pack.words import hexadecimal, instant, on_one_line, soft
from reports.why.answer import BOUNDARY
from reports.why.words import MISSING


@cache
def _environment() -> Environment:
    loader = PackageLoader("reports.pack", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "eur": eur, "soft": soft, "instant": instant, "hexadecimal": hexadecimal, "on_one_line": on_one_line,
        "quoted_for_shell": shlex.quote,
    }  # fmt: skip
    return environment


def as_html(
    said: Mapping[str, Any], facts: PackFacts, examples: Sequence[Example], *, organisation: str, vkey: str,
    certificate: str, unopened: Sequence[Mapping[str, Any]] = (),
) -> str:  # fmt: skip
    """Return the document.

    Args:
        said: what pack.json says; the numbers printed are those.
        examples: the drawn calls, in order of drawing.
        vkey: the verifier key, printed for comparison with the pinned one only.
        certificate: the digest of the seal's certificate, base64url.
        unopened: `seq`, `name` and `why` of contents that this pack would quote and does not have.
    """
    return _environment().get_template("pack.html.j2").render(
        said=said, facts=facts, examples=examples, organisation=organisation, vkey=vkey, certificate=certificate,
        unopened=unopened, boundary=BOUNDARY, max_rows=MAX_ROWS, missing=MISSING, place=PLACE,
    )  # fmt: skip
