"""Packs that people make from the console: one at a time in a thread, kept as files beside the databases."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from gateway.oversight.people import ActRefused
from gateway.packing import MadePack, PackRequest, export
from gateway.store.installation import Installation
from ledger.errors import LedgerError
from ledger.store.reader import Reader
from reports.pack.pdf import PdfUnavailable

log = structlog.get_logger()
NAME = re.compile(r"[A-Za-z0-9_-]{43}\.pdf")


@dataclass(slots=True)
class Job:
    """A pack that is being made. `said` tells how it stands, in words."""

    said: str
    workflow: str | None
    running: bool = True
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A pack that was made here."""

    name: str
    made: str
    size: int


class Packs:
    """The packs of one installation; made one after the other, so that pages stay quick."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.jobs: list[Job] = []

    def make(self, installation: Installation, request: PackRequest) -> None:
        """Begin to make a pack; `jobs` tells what becomes of it."""
        threading.Thread(target=self._run, args=(installation, request, self._job(request)), daemon=True).start()

    def make_now(self, installation: Installation, request: PackRequest) -> Job:
        """Make a pack, in the caller's thread; returns how it went."""
        job = self._job(request)
        self._run(installation, request, job)
        return job

    def _job(self, request: PackRequest) -> Job:
        job = Job(
            f"The pack of {request.start} to {request.end} is being made. This page looks again by itself.",
            request.workflow,
        )
        self.jobs = [*self.jobs[-4:], job]
        return job

    def _run(self, installation: Installation, request: PackRequest, job: Job) -> None:
        try:
            with self._lock:
                made = export(installation, request, self._keep)
                with contextlib.suppress(FileNotFoundError):  # a page that listed the packs meanwhile has done it
                    self._beside(made).replace(self._folder / f"{made.pack_id}.pdf")
            job.said = f"Pack {made.pack_id}: {made.entries} entries, {made.calls} calls."
        except ActRefused as error:  # surely not on record
            job.said, job.failed = f"No pack of {request.start} to {request.end}: {error}", True
            for path in self._folder.glob("*.part"):  # of the pack that was refused: one is made at a time
                path.unlink(missing_ok=True)
        except (LedgerError, PdfUnavailable, OSError) as error:
            job.said, job.failed = f"No pack of {request.start} to {request.end}: {error}", True
        except Exception:
            log.exception("a pack could not be made")
            job.said, job.failed = (
                f"No pack of {request.start} to {request.end}: the log of the gateway says why.",
                True,
            )
        finally:
            job.running = False

    def _beside(self, made: MadePack) -> Path:
        return self._folder / f"{made.pack_id}.part"

    def _keep(self, made: MadePack) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._beside(made).write_bytes(made.pdf)

    def kept(self, reader: Reader) -> Iterator[Kept]:
        """Yield the packs that are here, the latest first; with those whose process ended once they were on record."""
        for path in self._folder.glob("*.part"):
            if reader.find("pack", path.stem):
                path.replace(path.with_suffix(".pdf"))
        found = [path for path in self._folder.glob("*.pdf") if NAME.fullmatch(path.name)]
        for path in sorted(found, key=lambda one: one.stat().st_mtime, reverse=True):
            made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            yield Kept(path.name, f"{made:%Y-%m-%d %H:%M:%S} UTC", path.stat().st_size)

    def read(self, name: str) -> bytes | None:
        """Return a pack by its name; nothing for any other name."""
        path = self._folder / name
        return path.read_bytes() if NAME.fullmatch(name) and path.is_file() else None


def uploaded(content_type: str, body: bytes) -> dict[str, bytes]:
    """Return the fields of a multipart form (RFC 7578), by name; empty for anything else. Looks at each byte once."""
    kind, _, rest = content_type.partition(";")
    boundary = re.search(r'boundary="?([^";,\s]{1,70})', rest)
    if kind.strip().lower() != "multipart/form-data" or boundary is None:
        return {}
    found: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1", "replace"))[1:]:
        head, gap, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="([^"\r\n]{1,100})"', head[:2000])
        if gap and name:
            found[name[1].decode("utf-8", "replace")] = content
    return found
