"""One installation on disk: both databases, the key files, the head file; making it and opening it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, MetaData, make_url

from gateway.settings import Settings
from gateway.store.rebuild import upgrade_log
from ledger import custody
from ledger.checkpointing import Checkpointer, HeadFile, require_continuation
from ledger.custody import SealKey
from ledger.errors import LedgerUnavailable
from ledger.log import Log
from ledger.note import Signer
from ledger.store import tables, vault, writer
from ledger.store.copying import is_empty
from ledger.store.driver import Driver
from ledger.store.engine import Location, in_words, open_engine, require_durable, told
from ledger.store.reader import Reader
from ledger.store.vault import Vault

KEY_FILES = ("root.key", "log.key", "seal.key", "seal.crt")


def now() -> datetime:
    """The system clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything opened. `log` is the only way to change the main database."""

    settings: Settings
    engine: Engine
    log: Log
    reader: Reader
    vault: Vault
    signer: Signer
    seal_key: SealKey
    checkpointer: Checkpointer
    clock: Callable[[], datetime]

    @property
    def origin(self) -> str:
        return self.signer.name


def is_made(settings: Settings) -> bool:
    return settings.secret_file("root.key").exists()


def make(settings: Settings, origin: str, organisation: str, seeds: dict[str, bytes]) -> None:
    """Make the folder, the keys and both databases. `seeds` are 32 random bytes for `root` and `log`.

    Raises:
        FileExistsError: there is an installation already, or part of one.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.home.chmod(0o700)
    if is_made(settings):
        raise FileExistsError(f"{settings.home} already holds an installation")
    Signer.from_seed(origin, seeds["log"])  # refuses an impossible origin before anything is written
    migrate(settings)  # before the keys: a server that is away leaves nothing behind
    _require_empty(settings)
    settings.secret_file("").mkdir(mode=0o700, exist_ok=True)
    seal = custody.new_seal_key(origin, organisation, now())
    secrets = {
        "root.key": seeds["root"],
        "log.key": seeds["log"],
        "seal.key": seal.key_der,
        "seal.crt": seal.certificate_der,
    }
    for name, secret in secrets.items():
        custody.write_secret(settings.secret_file(name), secret, None if name == "seal.crt" else settings.passphrase)
    with disposed(open_engine(settings.vault_database)) as keys:
        Vault(keys, seeds["root"]).create_ledger_key()
    with (
        disposed(open_engine(settings.database_owner or settings.log_database)) as log,
        log.execution_options(writes=True).begin() as connection,
    ):
        writer.create_head(Driver.of(connection), origin)


def databases(settings: Settings) -> tuple[tuple[str, Location, MetaData], ...]:
    """Return both databases as their owners see them: file name in a backup, where it is, its tables."""
    return (
        ("vault.db", settings.vault_database, vault.metadata),
        ("log.db", settings.database_owner or settings.log_database, tables.metadata),
    )


def _require_empty(settings: Settings) -> None:
    for _, where, metadata in databases(settings):
        with disposed(open_engine(where)) as engine:
            if not is_empty(engine, metadata):
                raise FileExistsError(
                    "the database already holds an installation: join it with a copy of its home folder"
                )


def migrate(settings: Settings) -> None:
    """Bring both databases to this version's schema; two that start at once do not race."""
    import migrations  # Alembic is needed here only

    role = make_url(settings.database).username if settings.database and settings.database_owner else None
    with told(), disposed(open_engine(settings.vault_database)) as keys:
        migrations.upgrade(keys, "vault")
    with told(), disposed(open_engine(settings.database_owner or settings.log_database)) as log:
        upgrade_log(log, settings.lock_file, role=role)


@contextmanager
def disposed(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def opened(
    settings: Settings, *, clock: Callable[[], datetime] = now, recovering: bool = False
) -> Iterator[Installation]:
    """Open the installation for writing; on leaving, the log is closed and its head signed.

    Args:
        recovering: open a log that does not continue the signed head, for `whyledger recover` alone.

    Raises:
        LedgerUnavailable: nothing is installed here, or the schema is another one.
        LogHalted: the database does not continue the log that was last signed.
    """
    if not is_made(settings):
        raise LedgerUnavailable(f"no installation in {settings.home}: run `whyledger init`")
    for where in (settings.log_database, settings.vault_database):
        if isinstance(where, Path) and not where.exists():  # opening it would make an empty one
            raise LedgerUnavailable(f"{where} is missing: put it back, or run `whyledger restore FOLDER` with a backup")
    secrets = _read_secrets(settings)
    engine, keys = open_engine(settings.log_database), open_engine(settings.vault_database)
    reader, head_file = Reader(engine), HeadFile(settings.head_file)
    try:
        with told():
            require_durable(engine)
            require_revision(reader, tables.REVISION)
            require_revision(Reader(keys), vault.REVISION)
            signer = Signer.from_seed(reader.head().origin, secrets["log.key"])
            if not recovering:
                require_continuation(reader, head_file, signer.vkey)
    except BaseException:
        engine.dispose()
        keys.dispose()
        raise
    log = Log(engine, clock=clock, lock=settings.lock_file)
    checkpointer = Checkpointer(log, reader, signer, head_file, clock)
    seal_key = custody.load_seal_key(secrets["seal.key"], secrets["seal.crt"])
    try:
        yield Installation(
            settings, engine, log, reader, Vault(keys, secrets["root.key"]), signer, seal_key, checkpointer, clock
        )
        if not recovering:
            _sign_last(checkpointer)
    finally:
        log.close()
        engine.dispose()
        keys.dispose()


def _sign_last(checkpointer: Checkpointer) -> None:
    try:
        checkpointer.sign(now=True)
    except OSError as error:
        raise LedgerUnavailable(
            f"what was done is on record, but the head could not be signed: {in_words(error)}; the next start signs it"
        ) from error


def _read_secrets(settings: Settings) -> dict[str, bytes]:
    try:
        return {name: custody.read_secret(settings.secret_file(name), settings.passphrase) for name in KEY_FILES}
    except OSError as error:
        raise LedgerUnavailable(
            f"{error.filename} cannot be read: {error.strerror}; give it to this user, or restore the folder `secrets`"
        ) from error


def require_revision(reader: Reader, wanted: str) -> None:
    """Refuse a database of another schema.

    Raises:
        LedgerUnavailable: saying which, and what to run.
    """
    found = reader.revision()
    if found == wanted:
        return
    newer = found is not None and found > wanted  # they are numbered
    way = "a newer version wrote it; install that one again" if newer else "run `whyledger migrate`"
    raise LedgerUnavailable(f"the database has schema {found}, this version needs {wanted}: {way}")
