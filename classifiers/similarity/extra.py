"""The libraries of the extra `similarity`, loaded when they are first needed."""

from importlib import import_module
from typing import Any


class ExtraMissing(ImportError):
    """The extra `similarity` is not installed."""


def library(name: str) -> Any:
    """Return a module of the extra.

    Raises:
        ExtraMissing: it is not installed; the sentence names the extra.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # the library is there, and something that it needs is not
        raise ExtraMissing(f"{name} is not installed: pip install 'whyledger[similarity]'") from error
