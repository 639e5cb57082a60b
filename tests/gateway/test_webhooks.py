"""Signatures of webhooks, held against the scheme's own library."""

import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks import SecretInvalid, is_signed, signature

KEY = b"0123456789abcdef01234567"
SECRETS = ("whsec_" + base64.b64encode(KEY).decode(), "whsec_" + base64.b64encode(KEY[:-1]).decode().rstrip("="))
IDS = st.text(alphabet="abc_-0123456789", min_size=1, max_size=30)


@given(IDS, st.text(max_size=200), st.sampled_from(SECRETS))
def test_the_library_verifies_what_we_sign_and_signs_what_we_verify(name: str, body: str, secret: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    stamp, data = str(int(now.timestamp())), body.encode("utf-8", "replace")
    text, theirs = data.decode(), standardwebhooks.Webhook(secret)
    headers = {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(secret, name, stamp, data),
    }
    theirs.verify(text, headers, json_parse=False)
    given_ = theirs.sign(name, now, text)
    assert is_signed(f"v1,AAAA {given_} v2,x", secret, name, stamp, data)
    assert not is_signed(given_, secret, name, stamp, data + b" ")
    assert not is_signed(given_, secret, name + "x", stamp, data)


def test_a_secret_in_plain_words_is_its_bytes() -> None:
    theirs = standardwebhooks.Webhook(b"plain words")
    now = datetime.now(UTC).replace(microsecond=0)
    assert is_signed(theirs.sign("msg", now, "{}"), "plain words", "msg", str(int(now.timestamp())), b"{}")


def test_a_secret_that_is_no_base64_after_its_prefix_is_an_error_and_no_other_key() -> None:
    with pytest.raises(SecretInvalid, match="base64"):
        signature("whsec_not base64!", "msg", "1", b"")


@pytest.mark.parametrize("header", ["", " ", "v1", "v1,", ",", "v1,é", "v1 , x", "\x00"])
def test_no_header_breaks_the_check(header: str) -> None:
    assert not is_signed(header, SECRETS[0], "msg", "1", b"{}")
