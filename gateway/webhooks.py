"""Signatures of webhooks as Standard Webhooks has them (standardwebhooks.com): HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac


class SecretInvalid(Exception):
    """No key can be read from this secret."""


def signature(secret: str, name: str, stamp: str, body: bytes) -> str:
    """Return the signature of a message.

    Args:
        secret: `whsec_` and base64, or any text, whose bytes are the key then.
        name: the message's id.
        stamp: Unix seconds, as the header has them.
    """
    signed = f"{name}.{stamp}.".encode("utf-8", "replace") + body
    return "v1," + base64.b64encode(hmac.new(_key_of(secret), signed, hashlib.sha256).digest()).decode()


def is_signed(given: str, secret: str, name: str, stamp: str, body: bytes) -> bool:
    """Say whether one of the signatures in a header is of this message."""
    wanted = signature(secret, name, stamp, body).encode()
    return any([hmac.compare_digest(wanted, one.encode("utf-8", "replace")) for one in given.split()])


def _key_of(secret: str) -> bytes:
    """Return the key of a secret; libraries of Standard Webhooks take base64 without its padding too."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    text = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise SecretInvalid("a secret that begins with whsec_ goes on in base64") from None
