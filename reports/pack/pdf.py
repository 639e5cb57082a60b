"""HTML to PDF/A-3 with the bundle embedded, in a process of its own.

WeasyPrint needs Pango on the system, costs seconds to import and holds the interpreter while it lays out pages, so it
never runs in a serving process. `python -m reports.pack.pdf` reads one JSON request on stdin and writes the PDF.
"""

import base64
import importlib.util
import json
import subprocess
import sys
from ctypes.util import find_library
from datetime import datetime
from typing import Any

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
TIMEOUT_SECONDS = 600


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


def render(html: str, bundle: bytes, *, at: datetime, identifier: bytes) -> bytes:
    """Return the unsealed PDF/A-3 of the document, with the bundle as its one embedded file.

    Args:
        at: printed as the creation date of document and attachment, so that equal inputs give equal files.
        identifier: 16 bytes, the first half of the PDF's /ID.

    Raises:
        PdfUnavailable: WeasyPrint or a system library is missing, or rendering failed.
    """
    require_renderer()
    request = {
        "html": html,
        "bundle": base64.b64encode(bundle).decode(),
        "at": at.isoformat(),
        "identifier": identifier.hex(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "reports.pack.pdf"],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise PdfUnavailable(f"rendering failed: {last[0]}")
    return done.stdout


def _render(request: dict[str, Any]) -> bytes:
    from weasyprint import HTML, Attachment
    from weasyprint.urls import URLFetcher

    class Refusing(URLFetcher):  # type: ignore[misc]
        """The document refers to nothing outside itself; hostile text must not make it."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            raise ValueError(f"refused to fetch {url}")

    at = datetime.fromisoformat(request["at"])
    bundle = Attachment(
        string=base64.b64decode(request["bundle"]),
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
        attachments=[bundle],
        finisher=finish,
    )
    return written


if __name__ == "__main__":
    sys.stdout.buffer.write(_render(json.load(sys.stdin)))
