"""Templates to HTML. Everything is escaped; templates see values, never rows."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from classifiers.law.records import data
from classifiers.risk import DISCLAIMER
from reports.scorecard.card import money
from reports.templates import environment
from reports.why.answer import BOUNDARY


@cache
def _environment() -> Environment:
    return environment("gateway.console", money=money)


def page(template: str, /, **values: Any) -> str:
    """Return a page from its template."""
    fixed = {"boundary": BOUNDARY, "note": DISCLAIMER, "standing_line": data()[0]["sources"]["standing_line"]}
    return _environment().get_template(f"{template}.html.j2").render(**fixed, **values)


@cache
def stylesheet() -> bytes:
    return files("gateway.console").joinpath("static/console.css").read_bytes()
