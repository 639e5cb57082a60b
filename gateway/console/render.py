"""Templates to HTML. Everything is escaped; templates see values, never rows."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from classifiers.law.records import data
from classifiers.risk import DISCLAIMER
from reports.scorecard.card import money
from reports.why.answer import BOUNDARY


@cache
def _environment() -> Environment:
    loader = PackageLoader("gateway.console", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"money": money}
    return environment


def page(template: str, /, **values: Any) -> str:
    """Return a page from its template."""
    fixed = {"boundary": BOUNDARY, "note": DISCLAIMER, "standing_line": data()[0]["sources"]["standing_line"]}
    return _environment().get_template(f"{template}.html.j2").render(**fixed, **values)


@cache
def stylesheet() -> bytes:
    return files("gateway.console").joinpath("static/console.css").read_bytes()
