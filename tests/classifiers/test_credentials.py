"""Keys, tokens and passwords are found wherever they stand, and what only looks like one is not."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.credentials.found import credentials_in
from classifiers.finding import Finding
from classifiers.resources import read_yaml

KINDS = read_yaml("classifiers.credentials", "kinds.yaml")
PLACES = (
    "{}",
    "API_KEY={}",
    '{{"key": "{}"}}',
    "Please rotate {}, thanks.",
    "curl -H 'x-api-key: {}' https://a.example",
    "see {}.",
)
PIECES = (
    "password",
    "=",
    " is ",
    "sk-",
    "://",
    ":",
    "@",
    "eyJ",
    ".",
    "a1B2",
    "\n",
    "Bearer ",
    "-----BEGIN PRIVATE KEY-----",
)
PIECE = re.compile(r"\[((?:[^\]])+)\]|\\(.)|\(\?:([^()]*)\)|(.)")
QUIET = (
    "commit 383c3c4aaa10fdacb6b7f607ff42227d70933b5e, trace 4bf92f3577b34da6a3ce929d0e0e4736, order ORD-2750013946",
    "id 0f3e7c8e-4071-2b59-6ba9-31fe97ea8c90, sha256:cab1cd30cf3a857ba954f8f4b5e903460de065bd580de45e80c6ab87f93487c5",
    "data:image/png;base64,iVBORw0KGgoaaBOVWsISBjgKgyIkEzoLipUSYmbpRRZwdZL3M2uIEe8HZd5UwVIfSVHGeR8tR6yq",
    "export OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx and password = os.environ['DB_PASSWORD']; token: ${TOKEN}",
    "The password is wrong. Your token is valid for 2024-11-29. The secret is patience, the key: practice makes perfect.",
    "AKIAIOSFODNN7EXAMPLE is the key of the documentation; sk_test_<your key>; Bearer <token>; api_key=YOUR_API_KEY_HERE",
    "call_UKTvNjvfE5vxmzfn8mdeyXW1 msg_01XFDUDYJgAACzvnptvVoYEL resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "postgresql://app@10.0.4.12:5432/prod and https://example.com:8443/a@b and ssh://git@example.com:22/x",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----",
    "skip-connections, sk-learn, hf_hub, gsk_, key-value stores, pat-terns, SK-II, AC/DC, max_tokens: 4096",
)  # fmt: skip


def made(pattern: str, chance: random.Random) -> str:
    """Return a text that a pattern of the table takes: classes, groups of words and counts are all that it has."""
    said, place = "", 0
    pattern = chance.choice(pattern.split("|")) if "(" not in pattern else pattern
    while found := PIECE.match(pattern, place):
        place = found.end()
        low, high, place = counted(pattern, place)
        for _ in range(chance.randint(low, min(high, low + 20))):
            said += one_of(found, chance)
    return said


def counted(pattern: str, place: int) -> tuple[int, int, int]:
    if found := re.compile(r"\{(\d+)(?:,(\d+))?\}").match(pattern, place):
        return int(found[1]), int(found[2] or found[1]), found.end()
    least, most = {"?": (0, 1), "+": (1, 20)}.get(pattern[place : place + 1], (1, 1))
    return least, most, place + (pattern[place : place + 1] in "?+" and place < len(pattern))


def one_of(found: re.Match[str], chance: random.Random) -> str:
    if found[1]:
        ranges = re.findall(r"(.)-(.)|(.)", found[1])
        every = [
            chr(code)
            for low, high, alone in ranges
            for code in (range(ord(low), ord(high) + 1) if low else [ord(alone)])
        ]
        return chance.choice(every)
    if found[3] is not None:
        return made(chance.choice(found[3].split("|")), chance)
    return found[2] or found[4]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_each_kind_is_found_wherever_it_stands(kind: str) -> None:
    chance = random.Random(kind)  # noqa: S311 - keys that open nothing
    for begins in KINDS[kind]["begins"]:
        for place in PLACES * 4:
            key = begins + made(KINDS[kind]["rest"], chance)
            assert re.fullmatch(f"{re.escape(begins)}(?:{KINDS[kind]['rest']})", key), "the test made no such key"
            if key[-1] in "-._":
                continue  # at the end of a sentence nobody can tell
            text = place.format(key)
            found = credentials_in(text)
            assert [text[one.start : one.end] for one in found] == [key], (kind, text)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("db: postgresql://app:aNVJfbMJxyfgUacpeB@10.0.4.12:5432/prod", "password_in_address", "postgresql://app:aNVJfbMJxyfgUacpeB@10.0.4.12:5432/prod"),
        ("bot 4254491497:A" "Afw83THmMvtYXbG_Rm9IPeo2WrSvzbWACb!", "telegram", "4254491497:A" "Afw83THmMvtYXbG_Rm9IPeo2WrSvzbWACb"),
        ("Authorization: Bearer FY7kSvycXMXIII1VbixKsegARov68FNg84gJ2N5g1", "bearer", "Bearer FY7kSvycXMXIII1VbixKsegARov68FNg84gJ2N5g1"),
        ("DB_PASSWORD=Fl4UHQ1wOKrzst", "assigned", "Fl4UHQ1wOKrzst"),
        ("Mein Passwort lautet 6F5Alp!9MQKYfg.", "assigned", "6F5Alp!9MQKYfg"),
        ('{"client_secret": "w5Um58sZsK55sJ"}', "assigned", "w5Um58sZsK55sJ"),
        ("t=ey" "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVPmB92K27uhbUJU1p1r", "jwt", "ey" "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVPmB92K27uhbUJU1p1r"),
    ],
)  # fmt: skip
def test_what_has_no_beginning_of_its_own_is_known_by_its_form_or_the_words_before_it(
    text: str, kind: str, said: str
) -> None:
    (one,) = credentials_in(text)
    assert (one.type, text[one.start : one.end]) == (kind, said)


def test_a_private_key_is_found_as_a_whole() -> None:
    begin, end = ("-----" + word + " OPENSSH PRIVATE KEY-----" for word in ("BEGIN", "END"))
    body = "\n".join(["b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"] * 4)
    text = f"here:\n{begin}\n{body}\n{end}\nthanks"
    (one,) = credentials_in(text)
    assert one.type == "private_key"
    assert text[one.start : one.end].startswith(begin)
    assert body in text[one.start : one.end]


@pytest.mark.parametrize("text", QUIET)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert credentials_in(text) == []


@given(text=st.text() | st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_every_text_is_read_and_places_are_of_it_and_apart(text: str) -> None:
    found = credentials_in(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(before.end <= after.start for before, after in zip(found, found[1:], strict=False))
    assert credentials_in(text) == found


@pytest.mark.parametrize(
    "piece",
    ["password", "-----BEGIN PRIVATE KEY-----", "a.", "eyJaaaaaaaaaaaa", "x://", "key = ", "Bearer ", "1", "a:"],
)
def test_a_long_text_of_one_piece_is_read(piece: str) -> None:
    """Where what is done grows as the square of the text, this does not end within the time-out of a test."""
    assert credentials_in(piece * (400_000 // len(piece))) == []


def test_the_guide_says_how_many_kinds_there_are() -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "screening.md"
    assert f"({len(KINDS)} kinds, " in guide.read_text("utf-8")


def test_the_value_has_a_type_and_a_place() -> None:
    assert credentials_in("DB_PASSWORD=Fl4UHQ1wOKrzst") == [Finding("credential", "assigned", 12, 26)]
