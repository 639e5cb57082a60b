"""HTML to PDF/A-3."""


class PdfUnavailable(Exception):
    """A system library is missing; the message is the command to run."""


def require_renderer() -> None:
    """Check."""
