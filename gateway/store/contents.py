"""Opening the contents of entries with the key store, for whoever holds them against what the entries commit to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gateway.settings import Settings
from gateway.store.installation import is_made
from ledger import custody
from ledger.__main__ import Own
from ledger.entry import Entry, Sealed
from ledger.errors import ContentErased, ContentGone, LedgerUnavailable
from ledger.note import Signer
from ledger.store.engine import Location, open_engine, told
from ledger.store.live import open_live
from ledger.store.vault import LEDGER_KEY, Vault

_PERSONAL_KEY = re.compile(r"key_[A-Za-z0-9_-]{22}")


def disclosures_of(vault: Vault, entry: Entry, sealed: Sealed) -> dict[str, str] | None:
    """Return the disclosures that are kept for an entry, or None when the key of its person was destroyed.

    The ledger's own key is never destroyed, and nothing but the call of a subject or the enrolment of a person is under
    another one: so whoever writes another key's name beside an entry does not make its contents pass for erased.

    Raises:
        ContentGone: they do not open.
        DisclosureInvalid: what opens are no disclosures.
    """
    personal = bool(entry.sub or entry.kind == "person.enrolled")
    if not (sealed.key == LEDGER_KEY or (personal and _PERSONAL_KEY.fullmatch(sealed.key))):
        raise ContentGone("the contents name a key that such an entry never has")
    try:
        return vault.unseal(sealed, entry_id=entry.id)
    except ContentErased as error:
        if sealed.key == LEDGER_KEY:
            raise ContentGone("the ledger's own key is not in the key store") from error
        return None


@dataclass(frozen=True, slots=True)
class Opening:
    """`disclosures_of` with a key store that each process opens for itself."""

    where: Location
    root: bytes = field(repr=False)

    def __call__(self, entry: Entry, sealed: Sealed) -> Mapping[str, str] | None:
        with told():
            return disclosures_of(_vault(self.where, self.root), entry, sealed)


@lru_cache(maxsize=1)
def _vault(where: Location, root: bytes) -> Vault:
    return Vault(open_engine(where), root)


@contextmanager
def opening_with(where: Location, root: bytes) -> Iterator[Opening]:
    """Yield what opens contents with a key store, which is closed here afterwards."""
    try:
        yield Opening(where, root)
    finally:
        _vault(where, root).engine.dispose()
        _vault.cache_clear()


def root_key(settings: Settings) -> bytes:
    """Return the root key of an installation.

    Raises:
        LedgerUnavailable: it is missing.
    """
    path = settings.secret_file("root.key")
    if not path.exists():
        raise LedgerUnavailable(f"{path} is missing: put the folder `secrets` of the installation back first")
    return custody.read_secret(path, settings.passphrase)


@contextmanager
def own_log(settings: Settings) -> Iterator[Own]:
    """Yield this installation for the verifier. Nothing is signed or written, so a log that halts is verified too.

    Raises:
        LedgerUnavailable: nothing is installed here, or it cannot be read.
    """
    if not is_made(settings):
        raise LedgerUnavailable(f"no installation in {settings.home}: name the file that is to be verified")
    keys = settings.vault_database
    if isinstance(keys, Path) and not keys.exists():  # opening it would make an empty one
        raise LedgerUnavailable(f"{keys} is missing: put it back")
    seed = custody.read_secret(settings.secret_file("log.key"), settings.passphrase)
    # The head before the log: a gateway that runs may sign one beyond what was read.
    head = settings.head_file.read_bytes() if settings.head_file.exists() else None
    live = open_live(settings.log_database)
    with opening_with(keys, root_key(settings)) as opening:
        yield Own(live, Signer.from_seed(live.origin, seed).vkey, head, opening)
