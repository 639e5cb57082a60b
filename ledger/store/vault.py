"""The key store: a database of its own, so that it can have its own backups with a short life.

Holds wrapped keys, digests of tokens, and configuration texts by digest: the things that cannot be rebuilt from the
log. Rows are durable before anything that relies on them is submitted to the log.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table, Text, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ledger import sealing
from ledger.canonical import parse
from ledger.disclosure import disclose, open_disclosure
from ledger.entry import Sealed, b64
from ledger.errors import CanonicalError, ContentErased, DisclosureInvalid
from ledger.store.driver import reading

REVISION = "v0001"

metadata = MetaData()

key = Table(
    "key",
    metadata,
    Column("ref", String(64), primary_key=True),
    Column("owner", String(64), nullable=True, unique=True),
    Column("wrapped", LargeBinary, nullable=False),
)
"""Wrapped keys. `owner` is an HMAC of the identifier of the person the key belongs to; erasure deletes the row."""

token = Table(
    "token",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
)
"""SHA-256 of each key or personal token ever handed out, and whose it is. The tokens themselves are nowhere."""

text = Table("text", metadata, Column("digest", String(64), primary_key=True), Column("body", Text, nullable=False))
"""Configuration texts by digest."""

LEDGER_KEY = "key_ledger"


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The reference of a person's key, and the person's pseudonym under it."""

    ref: str
    pseudonym: str


def token_digest(secret: str) -> str:
    return b64(hashlib.sha256(secret.encode()).digest())


class Vault:
    """The key store, opened with the root key."""

    def __init__(self, engine: Engine, root: bytes) -> None:
        self.engine = engine
        self._root = root
        self._cached = lru_cache(maxsize=4096)(self._load)

    def create_ledger_key(self) -> None:
        """Make the key of contents and pseudonyms that belong to no person."""
        self._insert_key(LEDGER_KEY, None, secrets.token_bytes(sealing.KEY_BYTES))

    def key(self, ref: str) -> sealing.Key:
        """Return the key named `ref`.

        Raises:
            ContentErased: it was destroyed.
            ContentGone: the root key is another one.
        """
        found = self._cached(ref)
        if found is None:
            self._cached.cache_clear()  # absence is not remembered: another process may add it
            raise ContentErased(f"{ref} was destroyed or never existed")
        return found

    def _load(self, ref: str) -> sealing.Key | None:
        with self.engine.connect() as connection:
            wrapped = connection.execute(select(key.c.wrapped).where(key.c.ref == ref)).scalar()
        return None if wrapped is None else sealing.Key(sealing.unwrap(self._root, wrapped, ref=ref))

    def _insert_key(self, ref: str, owner: str | None, value: bytes) -> None:
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(
                insert(key).values(ref=ref, owner=owner, wrapped=sealing.wrap(self._root, value, ref=ref))
            )

    def pseudonym(self, kind: str, identifier: str) -> str:
        """Return the ledger-wide pseudonym of an identifier that is nobody's own (a task, a response)."""
        return self.key(LEDGER_KEY).pseudonym(kind, identifier)

    def find_subject(self, kind: str, identifier: str) -> SubjectKey | None:
        """Return the key of a person, or None when there is none (or it was erased)."""
        with self.engine.connect() as connection:
            ref = connection.execute(select(key.c.ref).where(key.c.owner == self._owner(kind, identifier))).scalar()
        if ref is None:
            return None
        return SubjectKey(ref, self.key(ref).pseudonym(kind, identifier))

    def subject(self, kind: str, identifier: str) -> SubjectKey:
        """Return the key of a person, made durable first when it is new."""
        if found := self.find_subject(kind, identifier):
            return found
        value = secrets.token_bytes(sealing.KEY_BYTES)
        ref = f"key_{b64(secrets.token_bytes(16))}"
        try:
            self._insert_key(ref, self._owner(kind, identifier), value)
        except IntegrityError:  # another process was first
            found = self.find_subject(kind, identifier)
            if found is None:
                raise
            return found
        return SubjectKey(ref, sealing.Key(value).pseudonym(kind, identifier))

    def _owner(self, kind: str, identifier: str) -> str:
        index = hmac.new(self._root, b"whyledger index v1", hashlib.sha256).digest()
        return b64(hmac.new(index, f"{kind}\n{identifier}".encode(), hashlib.sha256).digest())

    def destroy(self, ref: str) -> None:
        """Delete a key: what it sealed, and its pseudonym, cannot be recovered here any more."""
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(delete(key).where(key.c.ref == ref))
        self._cached.cache_clear()

    def seal(
        self, values: Mapping[str, object], *, entry_id: str, key_ref: str = LEDGER_KEY
    ) -> tuple[dict[str, str], Sealed]:
        """Commit to the content values of one entry and seal them together; returns (commitments, what to store)."""
        arrays: list[bytes] = []
        commitments: dict[str, str] = {}
        for name, value in values.items():
            array, commitments[name] = disclose(name, value)
            arrays.append(array)
        plain = b"\n".join(arrays)  # canonical JSON holds no line end
        return commitments, Sealed(key_ref, self.key(key_ref).seal(plain, entry_id=entry_id))

    def unseal(self, sealed: Sealed, *, entry_id: str) -> dict[str, str]:
        """Return the disclosures kept for an entry, by field name.

        Raises:
            ContentErased: their key was destroyed.
            ContentGone: they do not open under it.
            DisclosureInvalid: what opened are no disclosures.
        """
        plain = self.key(sealed.key).unseal(sealed.ciphertext, entry_id=entry_id)
        try:
            return {str(parse(array)[1]): b64(array) for array in plain.split(b"\n")}
        except (CanonicalError, TypeError, LookupError) as error:
            raise DisclosureInvalid(f"what is kept for {entry_id} are no disclosures") from error

    def open(self, sealed: Sealed, name: str, *, entry_id: str, commitment: str) -> object:
        """Return a content value, checked against the entry's commitment.

        Raises:
            ContentErased: its key was destroyed.
            ContentGone: it does not open under it.
            DisclosureInvalid: what is kept is not what the entry commits to.
        """
        disclosure = self.unseal(sealed, entry_id=entry_id).get(name)
        if disclosure is None:
            raise DisclosureInvalid(f"{name}: nothing is kept under this name")
        return open_disclosure(disclosure, name=name, commitment=commitment)

    def remember_token(self, secret: str, owner: str) -> None:
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(insert(token).values(digest=token_digest(secret), owner=owner))

    def owner_of(self, secret: str) -> str | None:
        """Return whose token this is, by its full digest."""
        with reading(self.engine) as driver:
            row = driver.execute("SELECT owner FROM token WHERE digest = ?", (token_digest(secret),)).fetchone()
            return row[0] if row else None

    def keep_text(self, digest: str, body: str) -> None:
        with self.engine.execution_options(writes=True).begin() as connection:
            if connection.execute(select(text.c.digest).where(text.c.digest == digest)).first() is None:
                connection.execute(insert(text).values(digest=digest, body=body))

    def text(self, digest: str) -> str | None:
        with self.engine.connect() as connection:
            return connection.execute(select(text.c.body).where(text.c.digest == digest)).scalar()
