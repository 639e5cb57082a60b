"""Templates to HTML. Everything is escaped; templates see values, never rows."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.why.answer import BOUNDARY, WhyAnswer


@cache
def _environment() -> Environment:
    loader = PackageLoader("gateway.console", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def why_page(answer: WhyAnswer) -> str:
    """Return the page of a why answer."""
    return _environment().get_template("why.html.j2").render(answer=answer, boundary=BOUNDARY)


def message_page(title: str, text: str, *, login: bool = False, after: str = "/") -> str:
    """Return a page with one message, and the sign-in form or the question box."""
    return _environment().get_template("message.html.j2").render(title=title, text=text, login=login, next=after)
