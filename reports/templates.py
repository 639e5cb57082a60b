"""Templates of pages and documents: everything is escaped, and a name that is not there is an error."""

from collections.abc import Callable
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined


def environment(source: str | BaseLoader, **filters: Callable[..., Any]) -> Environment:
    """Return an environment.

    Args:
        source: a package with a folder `templates`, or what loads them.
    """
    loader = PackageLoader(source, "templates") if isinstance(source, str) else source
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters |= filters
    return made
