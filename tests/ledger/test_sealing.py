"""Contents open with their key only; a destroyed key leaves nothing to guess against."""

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations
from ledger import custody, sealing
from ledger.disclosure import digest, disclose, open_disclosure
from ledger.entry import b64
from ledger.errors import ContentGone, DisclosureInvalid
from ledger.store.engine import open_engine
from ledger.store.vault import Vault

# RFC 9901 section 4.2.1 and 4.2.3: the example disclosure of family_name and its digest
RFC_DISCLOSURE = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
RFC_DIGEST = "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    engine = open_engine(tmp_path / "vault.db")
    migrations.upgrade(engine, "vault")
    vault = Vault(engine, bytes(32))
    vault.create_ledger_key()
    yield vault
    engine.dispose()


def test_the_digest_is_that_of_rfc_9901() -> None:
    assert digest(RFC_DISCLOSURE) == RFC_DIGEST
    with pytest.raises(DisclosureInvalid, match="salt is not of 32 bytes"):  # the RFC's example has 16
        open_disclosure(RFC_DISCLOSURE, name="family_name", commitment=RFC_DIGEST)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_disclosure_opens_to_its_value_and_to_nothing_else(value: str) -> None:
    array, commitment = disclose("prompt", value)
    disclosure = b64(array)
    assert value == open_disclosure(disclosure, name="prompt", commitment=commitment)
    with pytest.raises(DisclosureInvalid):
        open_disclosure(disclosure, name="answer", commitment=commitment)
    with pytest.raises(DisclosureInvalid):
        open_disclosure(b64(disclose("prompt", value)[0]), name="prompt", commitment=commitment)


def test_equal_values_have_unequal_commitments() -> None:
    """Without the salt a short text could be guessed from its commitment."""
    commitments = {disclose("prompt", "yes")[1] for _ in range(50)}
    assert len(commitments) == 50
    guesses = {b64(hashlib.sha256(guess).digest()) for guess in (b"yes", b'"yes"', b'["prompt","yes"]')}
    assert not guesses & commitments


def test_contents_open_for_their_own_entry_only() -> None:
    sealed = sealing.Key(bytes(32)).seal(b"text", entry_id="ent_1")
    assert sealing.Key(bytes(32)).unseal(sealed, entry_id="ent_1") == b"text"
    damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for key, entry_id, stored in (
        (b"1" * 32, "ent_1", sealed),
        (bytes(32), "ent_2", sealed),
        (bytes(32), "ent_1", damaged),
    ):
        with pytest.raises(ContentGone):
            sealing.Key(key).unseal(stored, entry_id=entry_id)


def test_the_contents_of_an_entry_are_sealed_together_and_opened_one_by_one(vault: Vault) -> None:
    values = {"prompt": "two\nlines", "task": "ticket:1", "tool_call_0": {"name": "a", "arguments": "{}"}}
    commitments, sealed = vault.seal(values, entry_id="ent_1")
    for name, value in values.items():
        assert vault.open(sealed, name, entry_id="ent_1", commitment=commitments[name]) == value
    with pytest.raises(DisclosureInvalid):
        vault.open(sealed, "prompt", entry_id="ent_1", commitment=commitments["task"])
    with pytest.raises(DisclosureInvalid):
        vault.open(sealed, "answer", entry_id="ent_1", commitment=commitments["task"])


@given(st.binary(min_size=32, max_size=32), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_key_of_contents_is_the_library_s_hkdf(key: bytes, entry_id: str) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"whyledger content v1\n{entry_id}".encode()
    expected = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(key)
    assert expected == sealing.Key(key).content_key(entry_id)


@given(st.binary(min_size=32, max_size=32), st.text(st.characters(exclude_categories=["Cs"]), max_size=99))
def test_a_pseudonym_is_the_library_s_hmac(key: bytes, identifier: str) -> None:
    tag = hmac.digest(key, f"task\n{identifier}".encode(), "sha256")
    assert sealing.Key(key).pseudonym("task", identifier) == "task." + b64(tag[:16])


def test_destroying_a_subject_key_takes_contents_and_pseudonym_with_it(vault: Vault) -> None:
    subject = vault.subject("subject", "anna@example.eu")
    commitments, sealed = vault.seal({"prompt": "hello"}, entry_id="ent_1", key_ref=subject.ref)
    assert vault.open(sealed, "prompt", entry_id="ent_1", commitment=commitments["prompt"]) == "hello"
    vault.destroy(subject.ref)
    with pytest.raises(ContentGone):
        vault.open(sealed, "prompt", entry_id="ent_1", commitment=commitments["prompt"])
    assert vault.find_subject("subject", "anna@example.eu") is None
    assert vault.subject("subject", "anna@example.eu").pseudonym != subject.pseudonym


def test_a_subject_keeps_one_pseudonym_across_openings_of_the_store(vault: Vault, tmp_path: Path) -> None:
    first = vault.subject("subject", "4711").pseudonym
    engine = open_engine(tmp_path / "vault.db")
    assert first == Vault(engine, bytes(32)).subject("subject", "4711").pseudonym
    engine.dispose()


def test_no_identifier_and_no_token_stands_in_the_key_store(vault: Vault, tmp_path: Path) -> None:
    vault.subject("subject", "anna@example.eu")
    vault.remember_token("wl_prod_secret", "key_1")
    assert vault.owner_of("wl_prod_secret") == "key_1"
    assert vault.owner_of("wl_prod_secres") is None
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("vault.db*"))
    assert b"anna@example.eu" not in stored
    assert b"wl_prod_secret" not in stored


def test_a_secret_file_is_private_never_overwritten_and_opens_with_its_passphrase_only(
    tmp_path: Path,
) -> None:
    path = tmp_path / "root.key"
    custody.write_secret(path, b"s" * 32, "correct horse")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"s" * 32 not in path.read_bytes()
    assert custody.read_secret(path, "correct horse") == b"s" * 32
    for wrong in ("battery staple", None):
        with pytest.raises(ContentGone):
            custody.read_secret(path, wrong)
    with pytest.raises(FileExistsError):
        custody.write_secret(path, b"x", None)
