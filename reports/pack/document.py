"""A pack as HTML: facts in a fixed order of sections. Rendering to PDF is `reports.pack.pdf`."""

import shlex
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any

from jinja2 import FunctionLoader, Template

from classifiers.law.duties import duties_on, unprintable
from classifiers.law.records import data
from classifiers.resources import read_yaml
from classifiers.risk import DISCLAIMER
from classifiers.text import source_said
from ledger.amounts import eur
from reports.pack.calls import MAX_ROWS
from reports.pack.charts import bars
from reports.pack.examples import Example
from reports.pack.facts import PackFacts
from reports.pack.glyphs import PLACE
from reports.pack.intervals import interval
from reports.pack.report import Report, open_findings
from reports.pack.words import cents, hexadecimal, on_one_line, soft
from reports.templates import environment
from reports.texts import ENGLISH, PACKAGE, Translation
from reports.times import clock, instant
from reports.why.answer import BOUNDARY
from reports.why.words import MISSING

SHOWN_DAYS = 31


@cache
def fixed_words() -> Mapping[str, Any]:
    """Return the fixed words of a pack: titles of sections, what is never evidenced, the glossary."""
    found: dict[str, Any] = read_yaml("reports.pack", "fixed.yaml")
    return found


def _template(name: str, zone: str, translation: Translation) -> Template:
    """Return a template whose texts are of a translation and whose times are of a zone."""

    def source(path: str) -> str:
        return translation.apply(files(PACKAGE).joinpath("templates", path).read_text("utf-8"))

    return environment(
        FunctionLoader(source), eur=eur, soft=soft, hexadecimal=hexadecimal, on_one_line=on_one_line, cents=cents,
        quoted_for_shell=shlex.quote, source_of=lambda source, locus: source_said(f"{source}: {locus}"),
        instant=partial(instant, zone=zone), clock=partial(clock, zone=zone),
    ).get_template(name)  # fmt: skip


def as_html(
    said: Mapping[str, Any], facts: PackFacts, report: Report, examples: Sequence[Example], *, organisation: str,
    vkey: str, certificate: str, unopened: Sequence[Mapping[str, Any]] = (), brief: bool = False,
    maker: str = "", translation: Translation = ENGLISH,
) -> str:  # fmt: skip
    """Return the document.

    Args:
        said: what pack.json says; the numbers printed are those.
        examples: the drawn calls, in order of drawing.
        vkey: the verifier key, printed for comparison with the pinned one only.
        certificate: the digest of the seal's certificate, base64url.
        unopened: `seq`, `name` and `why` of contents that this pack would quote and does not have.
        maker: who exported it, by name.
        brief: two pages for procurement instead of the whole document.
        translation: of the texts; law, statements and the why answers stay as they are.
    """
    fixed = translation.of(fixed_words())
    sources = [one for one in data()[0]["sources"]["sources"].values() if one["how"] != "memory"]
    zone = str(said["scope"]["zone"])
    return _template("brief.html.j2" if brief else "pack.html.j2", zone, translation).render(
        translation=translation, maker=maker,
        said=said, facts=facts, report=report, examples=examples, organisation=organisation, vkey=vkey,
        certificate=certificate, unopened=unopened, boundary=BOUNDARY, max_rows=MAX_ROWS, missing=MISSING, place=PLACE,
        titles=fixed["titles"], never=fixed["never"], glossary=fixed["glossary"], sources=sources, note=DISCLAIMER,
        findings=open_findings(report), charts=_charts(facts, report), interval=interval, left_out=len(unprintable()),
        owners=", ".join(sorted({str(one.declared["owner"]) for one in report.systems if one.declared.get("owner")})),
        exemption=_exemption(report.day), registry=source_said(fixed["registry_source"]),
    )  # fmt: skip


def _exemption(day: str) -> list[dict[str, str]]:
    """Return what an exemption record always says: the duty of the record, and that an authority may re-open it."""
    return [
        {
            "article": duty.article, "obligation": duty.obligation,
            "source_said": source_said(f"{duty.source.id}: {duty.source.locus}"),
        }
        for duty in duties_on(day)
        if duty.applies_to == ("annex_iii_exempt",)
    ]  # fmt: skip


def _charts(facts: PackFacts, report: Report) -> dict[str, str]:
    days = [(day, count, str(count)) for day, count in facts.days[:SHOWN_DAYS]]
    models = [(name, nano, f"EUR {cost}") for name, _, cost, nano, _ in facts.models]
    words = [report.law.said(one.tier) if one.tier else "no class that holds" for one in report.systems]
    tiers = [(word, words.count(word), str(words.count(word))) for word in sorted(set(words))]
    return {
        "days": bars(days, "Calls by day"), "models": bars(models, "Cost by model"),
        "tiers": bars(tiers, "Workflows by risk class") if tiers else "",
    }  # fmt: skip
