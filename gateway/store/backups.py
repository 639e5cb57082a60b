"""Backup while running, and restore into empty databases.

A backup is a folder: the log and the key store as SQLite files (whatever database they come from), the last signed
head, and a manifest. It is verified when it is made and again before it is restored. The secrets are not in it:
whoever holds both can read every content.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import migrations
from gateway.settings import Settings
from gateway.store.contents import opening_with, root_key
from gateway.store.installation import Installation, databases, disposed, migrate, require_revision
from gateway.store.rebuild import upgrade_log
from ledger import custody
from ledger.checkpointing import HeadFile
from ledger.entry import b64
from ledger.errors import LedgerUnavailable, of_file
from ledger.note import Signer
from ledger.store import tables, vault
from ledger.store.copying import copy_tables, is_empty
from ledger.store.engine import open_engine
from ledger.store.live import open_live
from ledger.store.reader import Reader
from ledger.verify_log import verify_log

FILES = ("log.db", "vault.db", "head.note")


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    origin: str
    size: int
    root: str


def back_up(installation: Installation, folder: Path) -> Backup:
    """Copy the databases of a running installation into a new folder, and verify the copy.

    Raises:
        FileExistsError: the folder is there already.
        LedgerUnavailable: the copy does not verify.
    """
    folder.mkdir(mode=0o700, parents=True)
    installation.checkpointer.sign(now=True)
    # In this order: the head is not beyond the log, and the key store has every key that the log needs.
    head = installation.checkpointer.head_file.read() or b""
    (folder / "head.note").write_bytes(head)
    for name, source, history, metadata in (
        ("log.db", installation.engine, "log", tables.metadata),
        ("vault.db", installation.vault.engine, "vault", vault.metadata),
    ):
        with disposed(open_engine(folder / name)) as target:
            migrations.upgrade(target, history)
            copy_tables(source, target, metadata.tables.values())
    found = _verified(folder, installation.signer.vkey, root_key(installation.settings))
    digests = {name: _digest(folder / name) for name in FILES}
    manifest = {"origin": found.origin, "size": found.size, "root": found.root, "files": digests}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    os.sync()
    return found


def restore(settings: Settings, folder: Path) -> Backup:
    """Verify a backup and copy it into this home's databases, which must be empty or absent.

    The head file of this home is kept where there is one: if it is beyond the backup, the next start says so.

    Raises:
        LedgerUnavailable: the secrets are missing, the backup is damaged, or there is a log here already.
    """
    log_key = settings.secret_file("log.key")
    if not log_key.exists():
        raise LedgerUnavailable(f"{log_key} is missing: put the folder `secrets` of the installation back first")
    manifest = _manifest(folder)
    signer = Signer.from_seed(manifest["origin"], custody.read_secret(log_key, settings.passphrase))
    root = root_key(settings)
    _require_room(settings)
    with _migrated(folder, settings.home) as current:
        found = _verified(current, signer.vkey, root)
        migrate(settings)
        for name, where, metadata in databases(settings):
            with disposed(open_engine(current / name)) as source, disposed(open_engine(where)) as target:
                if not is_empty(target, metadata):
                    raise LedgerUnavailable(f"the database for {name} is not empty; move it away first")
                copy_tables(source, target, metadata.tables.values())
    if not settings.head_file.exists():
        HeadFile(settings.head_file).write((folder / "head.note").read_bytes())
    return found


@contextlib.contextmanager
def _migrated(folder: Path, beside: Path) -> Iterator[Path]:
    """Yield a backup, or a copy of this version's schema where an earlier version made it: a backup stays as it is."""
    with disposed(open_engine(folder / "log.db")) as log, disposed(open_engine(folder / "vault.db")) as keys:
        made_by = Reader(log).revision() or "", Reader(keys).revision() or ""
    if made_by[0] >= tables.REVISION and made_by[1] >= vault.REVISION:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="restore-", dir=beside) as name:
        for file in FILES:
            shutil.copy(folder / file, name)
        for file, history in (("log.db", "log"), ("vault.db", "vault")):
            with disposed(open_engine(Path(name) / file)) as engine:
                if history == "log":
                    upgrade_log(engine, None)
                else:
                    migrations.upgrade(engine, history)
        yield Path(name)


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a backup, having compared its files with it."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        for name in FILES:
            if _digest(folder / name) != manifest["files"][name]:
                raise LedgerUnavailable(f"{folder / name} is not the file that was backed up")
    except (OSError, ValueError, LookupError, TypeError) as error:
        said = of_file(error) if isinstance(error, OSError) else error
        raise LedgerUnavailable(f"{folder} is not a finished backup: {said}") from error
    return manifest


def _require_room(settings: Settings) -> None:
    """Refuse to restore beside remains of an old SQLite file: its write-ahead log would be taken for the new one's."""
    for where in (settings.log_database, settings.vault_database):
        if isinstance(where, Path):
            for path in (where, where.with_name(f"{where.name}-wal"), where.with_name(f"{where.name}-shm")):
                if path.exists():
                    raise LedgerUnavailable(f"{path} is in the way: move it, with its -wal and -shm, to another folder")


def _verified(folder: Path, vkey: str, root: bytes) -> Backup:
    with disposed(open_engine(folder / "log.db")) as engine:
        require_revision(Reader(engine), tables.REVISION)
    live = open_live(folder / "log.db")
    with opening_with(folder / "vault.db", root) as opening:
        report = verify_log(
            live.read, origin=live.origin, size=live.size, root=live.root, signed=live.signed, vkeys=[vkey],
            held=[(folder / "head.note").read_bytes()], kept=live, opening=opening,
        )  # fmt: skip
    if report.level != "L2":
        wrong = "; ".join(f"{step.name}: {step.detail}" for step in report.steps if step.result == "FAIL")
        raise LedgerUnavailable(f"the copy in {folder} does not verify: {wrong or 'no signed head'}")
    return Backup(live.origin, live.size, b64(live.root))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return b64(hashlib.file_digest(file, "sha256").digest())
