"""Secrets in files: the root key, the Ed25519 log key and the P-256 seal key with its certificate.

A secret file holds 32 bytes or a DER key, mode 0600, optionally wrapped by a passphrase (scrypt, AES-256-GCM).
Losing the root key loses the contents; losing the log key ends the log's ability to sign. Both are backed up apart
from the database (docs/guides/operate.md).
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from ledger.entry import b64
from ledger.errors import ContentGone

_WRAPPED = b"whyledger-scrypt-v1\n"
_DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336


def _passphrase_key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 2**20, dklen=32)


def write_secret(path: Path, secret: bytes, passphrase: str | None) -> None:
    """Write a new secret file durably.

    Raises:
        FileExistsError: there is one already; a key is never overwritten.
    """
    if passphrase:
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        key = AESGCM(_passphrase_key(passphrase, salt))
        secret = _WRAPPED + salt + nonce + key.encrypt(nonce, secret, None)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())


def read_secret(path: Path, passphrase: str | None) -> bytes:
    """Read a secret file.

    Raises:
        ContentGone: it is wrapped and the passphrase is missing or wrong.
        FileNotFoundError: there is none.
    """
    stored = path.read_bytes()
    if not stored.startswith(_WRAPPED):
        return stored
    if not passphrase:
        raise ContentGone(f"{path.name} needs a passphrase: set WHYLEDGER_PASSPHRASE")
    salt, nonce, body = stored[20:36], stored[36:48], stored[48:]
    try:
        return AESGCM(_passphrase_key(passphrase, salt)).decrypt(nonce, body, None)
    except InvalidTag:
        raise ContentGone(f"the passphrase does not open {path.name}") from None


@dataclass(frozen=True, slots=True)
class SealKey:
    """The P-256 key that seals PDF packs, and its self-signed certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def key_der(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def digest(self) -> str:
        """SHA-256 of the certificate: what the log binds and the verifier compares."""
        return b64(hashlib.sha256(self.certificate_der).digest())


def new_seal_key(origin: str, organisation: str, now: datetime) -> SealKey:
    """Make a seal key with a self-signed certificate of ten years, bound to the log by an entry, not by a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"WhyLedger seal {origin}"[:64]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(minutes=5))
        .not_valid_after(now.astimezone(UTC) + timedelta(days=3653))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        # NSS and so pdfsig want emailProtection beside documentSigning
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, _DOCUMENT_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return SealKey(key, certificate)


def load_seal_key(key_der: bytes, certificate_der: bytes) -> SealKey:
    key = serialization.load_der_private_key(key_der, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ContentGone("the seal key is not an elliptic-curve key")
    return SealKey(key, x509.load_der_x509_certificate(certificate_der))
