"""HTML to PDF/A-3 with the bundle embedded, in a process of its own.

WeasyPrint needs Pango on the system, costs seconds to import and holds the interpreter while it lays out pages, so it
never runs in a serving process. `python -m reports.pack.pdf N` reads one JSON request on stdin, reads the bundle from
its open file N (without N there is none), and writes the PDF.
"""

import importlib.util
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from datetime import datetime
from typing import Any, BinaryIO

from reports.pack.fonts import LETTERS
from reports.pack.glyphs import PACKAGES as FONTS
from reports.pack.glyphs import written_out

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
TIMEOUT_SECONDS = 600
_ROUNDS = 4


class PdfUnavailable(Exception):
    """A PDF cannot be rendered here; the message says what to install."""


def require_renderer() -> None:
    """Check that WeasyPrint and the system libraries it loads are there.

    Raises:
        PdfUnavailable: one is missing.
    """
    if importlib.util.find_spec("weasyprint") is None:
        raise PdfUnavailable("WeasyPrint is not installed: pip install weasyprint")
    missing = [name for name in ("gobject-2.0", "pango-1.0", "pangoft2-1.0") if not find_library(name)]
    if missing:
        raise PdfUnavailable(
            f"a system library is missing ({', '.join(missing)}). On Debian or Ubuntu: sudo apt-get install "
            f"--no-install-recommends {PACKAGES}. On macOS: brew install pango"
        )


def render(html: str, bundle: BinaryIO | None, *, at: datetime, identifier: bytes) -> bytes:
    """Return the unsealed PDF/A-3 of a document, with the bundle as its one embedded file if there is one.

    Characters that would not be seen are written out (`reports.pack.glyphs`).

    Args:
        bundle: an open file, read from its beginning: a bundle is large, and need not be in both processes at once.
        at: printed as the creation date of document and attachment, so that equal inputs give equal files.
        identifier: 16 bytes, the first half of the PDF's /ID.

    Raises:
        PdfUnavailable: WeasyPrint or a system library is missing, rendering failed, or no font has plain letters.
    """
    require_renderer()
    request = {"html": html, "at": at.isoformat(), "identifier": identifier.hex()}
    numbers = []
    if bundle is not None:
        bundle.seek(0)
        numbers = [bundle.fileno()]
    done = subprocess.run(
        [sys.executable, "-m", "reports.pack.pdf", *map(str, numbers)],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
        pass_fds=numbers,
    )
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise PdfUnavailable(f"rendering failed: {last[0]}")
    return done.stdout


def _render(request: dict[str, Any], bundle: io.RawIOBase | None) -> bytes:
    """Render until every character has a glyph: one round, or two where some had none."""
    missing: set[str] = set()
    for _ in range(_ROUNDS):
        if bundle is not None:
            bundle.seek(0)
        with _without_glyph() as found:
            written = _written(request | {"html": written_out(request["html"], missing)}, bundle)
        if not found:
            return written
        if plain := sorted(one for one in found if one.isascii()):
            raise SystemExit(f"no font here has a glyph for {plain[0]!r}: sudo apt-get install {LETTERS}")
        missing |= found
    raise SystemExit(f"characters without a glyph remain, so it would not be PDF/A: sudo apt-get install {FONTS}")


@contextmanager
def _without_glyph() -> Iterator[set[str]]:
    """Collect the characters that the renderer has no glyph for: it says so in its log only."""
    found: set[str] = set()

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
                found.add(str(record.args[0]))

    log, handler = logging.getLogger("weasyprint"), Collecting()
    log.addHandler(handler)
    try:
        yield found
    finally:
        log.removeHandler(handler)


def _written(request: dict[str, Any], bundle: io.RawIOBase | None) -> bytes:
    from weasyprint import HTML, Attachment
    from weasyprint.urls import URLFetcher

    class Refusing(URLFetcher):  # type: ignore[misc]
        """The document refers to nothing outside itself; hostile text must not make it."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            raise ValueError(f"refused to fetch {url}")

    at = datetime.fromisoformat(request["at"])
    attachment = Attachment(
        file_obj=bundle,
        name="bundle.zip",
        description="machine-readable evidence; docs/formats/bundle.md",
        relationship="Data",
        created=at,
        modified=at,
    )

    def finish(_document: Any, pdf: Any) -> None:
        if "AF" in pdf.catalog:  # WeasyPrint 70 lists every attachment twice
            pdf.catalog["AF"][:] = list(dict.fromkeys(pdf.catalog["AF"]))

    written: bytes = HTML(string=request["html"], url_fetcher=Refusing()).write_pdf(
        pdf_variant="pdf/a-3a",
        pdf_identifier=bytes.fromhex(request["identifier"]),
        attachments=[attachment] if bundle is not None else [],
        finisher=finish,
    )
    return written


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.stdout.buffer.write(_render(json.load(sys.stdin), None))
    else:
        with open(f"/dev/fd/{sys.argv[1]}", "rb", buffering=0) as embedded:
            sys.stdout.buffer.write(_render(json.load(sys.stdin), embedded))
