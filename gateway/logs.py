"""What goes to the log of a process, set up once by `serve`.

A traceback says where and what kind. It has no local variables, which structlog prints of every frame when rich is
installed: keys, headers, prompts. And it repeats what an exception says only where that is our own text or the
system's: a KeyError or a ValueError quotes the value that it is about.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

import structlog

from gateway.configuration.load import ConfigurationError
from gateway.errors import GatewayError
from gateway.settings import SettingsError
from ledger.errors import LedgerUnavailable, LogHalted

_QUOTING_NOTHING = (
    LedgerUnavailable, LogHalted, SettingsError, ConfigurationError,
    OSError, ImportError, AttributeError, TypeError, NameError, ArithmeticError,
)  # fmt: skip
_INDENT = "    "


def set_up() -> None:
    """Write the program's own log to stdout and that of the libraries to stderr, both without values."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=_render),
        ]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.raiseExceptions = False  # a record that cannot be written would be shown with its arguments


def said(error: BaseException) -> str:
    """Return one line about an exception that quotes no value."""
    kind = type(error).__qualname__
    if isinstance(error, GatewayError):
        return f"{kind}: {error.code}"
    if isinstance(error, _QUOTING_NOTHING):
        return f"{kind}: {error}"
    return f"{kind} (what it says is left out, as it may quote a request)" if str(error) else kind


def traceback_of(error: BaseException) -> str:
    """Return where an exception was raised and what led to it: the first cause first."""
    return "\nwhich led to:\n".join(reversed(list(map(_one, _causes(error)))))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and, one after the other, those it was raised for."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _one(error: BaseException) -> str:
    lines = [
        "Traceback (most recent call last):",
        *(line.rstrip() for line in traceback.format_tb(error.__traceback__)),
    ]
    lines.append(said(error))
    if isinstance(error, BaseExceptionGroup):
        lines += [_INDENT + line for one in error.exceptions for line in traceback_of(one).splitlines()]
    return "\n".join(lines)


def _render(to: TextIO, exc_info: Any) -> None:
    if exc_info[1] is not None:
        to.write("\n" + traceback_of(exc_info[1]))


class _Formatter(logging.Formatter):
    """For the log of the libraries: the server's, asyncio's."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is the base class's
        return traceback_of(ei[1]) if ei[1] is not None else ""


def of_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what an event loop has to complain of; its own way shows the arguments of callbacks."""
    what = str(context.get("message", "")).partition("(")[0]
    logging.getLogger("asyncio").error("%s", what, exc_info=context.get("exception"))
