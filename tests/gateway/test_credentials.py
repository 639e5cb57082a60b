"""Key references: what is wrong with a file is named, and a file that is right counts from the next attempt on."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from gateway import credentials
from gateway.credentials import CredentialProblem, Credentials

KEY = "sk-live-4f9a0c77"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "provider.key"


def problem(found: Credentials, reference: str) -> str:
    with pytest.raises(CredentialProblem) as caught:
        found.of("acme", reference)
    return str(caught.value)


@pytest.mark.parametrize(
    "data", [KEY.encode(), f"{KEY}\n".encode(), f"  {KEY}\r\n\r\n".encode(), b"\xef\xbb\xbf" + KEY.encode()]
)  # fmt: skip
def test_a_key_is_read_without_the_blanks_and_the_byte_order_mark_around_it(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert Credentials({}).of("acme", f"file:{path}") == KEY


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", "is empty"),
        (b" \r\n\n", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (KEY.encode("utf-16"), "is not UTF-8 text, it looks like UTF-16"),
        (KEY.encode("utf-16-le"), "is not UTF-8 text, it looks like UTF-16"),
        (b"sk-\xe4\xf6", "is not UTF-8 text"),
        (f"{KEY}\nsecond".encode(), "has more than one line"),
        (f"{KEY}\rsecond".encode(), "has more than one line"),
        (f"{KEY} second".encode(), "holds a blank or a character that cannot stand in a header"),
        ("sk-\u20ac".encode(), "holds a blank or a character that cannot stand in a header"),
        (b"x" * 70_000, "is larger than 64 KiB"),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named_without_what_stands_in_it(path: Path, data: bytes, wrong: str) -> None:
    path.write_bytes(data)
    said = problem(Credentials({}), f"file:{path}")
    assert said.startswith(f"the key file {path} of provider acme {wrong}")
    assert "4f9a0c77" not in said
    assert "second" not in said


def test_a_file_that_cannot_be_read_is_named_with_the_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(KEY)

    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    found = problem(Credentials({}), f"file:{path}")
    assert found == f"the key file {path} of provider acme cannot be read (permission denied)"


def test_a_folder_a_pipe_and_a_path_that_is_none_are_named_and_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = Credentials({})
    assert problem(found, f"file:{tmp_path}").endswith("is not a regular file")
    assert problem(found, f"file:{tmp_path / 'pipe'}").endswith("is not a regular file")
    assert problem(found, f"file:{tmp_path}/\0").endswith("does not exist")
    assert problem(found, f"file:{tmp_path}/none").endswith("does not exist")


def test_the_caller_is_told_what_is_wrong_and_not_where(path: Path) -> None:
    path.write_text("")
    with pytest.raises(CredentialProblem) as caught:
        Credentials({}).of("acme", f"file:{path}")
    assert caught.value.for_callers == "the key file of provider acme is empty"


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("sk-new-00000000\n")
    other.replace(path)


def overwritten_with_the_same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text("sk-new-00000000\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [replaced, overwritten_with_the_same_size_and_time])
def test_a_file_that_changes_counts_from_the_next_time_on(path: Path, change: Callable[[Path], None]) -> None:
    path.write_text("sk-old-00000000\n")
    found = Credentials({})
    assert found.of("acme", f"file:{path}") == "sk-old-00000000"
    change(path)
    assert found.of("acme", f"file:{path}") == "sk-new-00000000"


def test_a_file_that_appears_goes_and_is_mended_counts_from_the_next_time_on(path: Path) -> None:
    found = Credentials({})
    assert problem(found, f"file:{path}").endswith("does not exist")
    path.write_text(KEY)
    assert found.of("acme", f"file:{path}") == KEY
    path.unlink()
    assert problem(found, f"file:{path}").endswith("does not exist")
    path.write_text("")
    assert problem(found, f"file:{path}").endswith("is empty")
    path.write_text(KEY)
    assert found.of("acme", f"file:{path}") == KEY


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    real, opened = Path.open, []

    def opening(self: Path, *args: str, **more: str) -> object:
        opened.append(self)
        return real(self, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opening)
    return opened


@pytest.mark.parametrize("text", [KEY, ""], ids=["a key", "nothing"])
def test_a_file_that_did_not_change_is_read_once(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text)
    monkeypatch.setattr(credentials, "SETTLED_NS", -1)  # as if it had been written long ago
    opened, found = counted(monkeypatch), Credentials({})
    for _ in range(5):
        if text:
            assert found.of("acme", f"file:{path}") == KEY
        else:
            problem(found, f"file:{path}")
    assert len(opened) == 1


def test_a_file_that_changed_a_moment_ago_is_read_again_as_it_may_change_unseen(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(KEY)
    now = path.stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: now)
    opened, found = counted(monkeypatch), Credentials({})
    for _ in range(3):
        found.of("acme", f"file:{path}")
    assert len(opened) == 3


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "is not set"),
        (" ", "is empty"),
        ("a\nb", "has more than one line"),
        ("a b", "holds a blank or a character that cannot stand in a header"),
    ],
)
def test_a_variable_is_held_to_the_same(value: str | None, wrong: str) -> None:
    found = Credentials({} if value is None else {"ACME_KEY": value})
    assert problem(found, "env:ACME_KEY") == f"the variable ACME_KEY of provider acme {wrong}"
    assert found.may_exist("env:ACME_KEY") is bool(value and value.strip())


def test_a_provider_may_be_tried_without_a_key_with_a_variable_that_is_set_and_with_any_file(path: Path) -> None:
    found = Credentials({"ACME_KEY": f"{KEY}\r\n"})
    assert [found.may_exist(one) for one in (None, "env:ACME_KEY", f"file:{path}", "env:NONE")] == [
        True,
        True,
        True,
        False,
    ]
    assert found.of("acme", None) is None
    assert found.of("acme", "env:ACME_KEY") == KEY


def test_a_problem_is_logged_when_it_comes_changes_and_goes_and_not_with_every_call(path: Path) -> None:
    found = Credentials({})
    with structlog.testing.capture_logs() as logged:
        for text in (None, None, "", "", KEY, KEY):
            if text is not None:
                path.write_text(text)
            try:
                found.logged("acme", f"file:{path}")
            except CredentialProblem:
                continue
    told = [one.get("reason", one["event"]) for one in logged]
    assert [one.rpartition(" ")[2] for one in told] == ["exist", "empty", "again"]


def test_a_log_that_cannot_be_written_does_not_fail_the_call(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(credentials, "log", type("Log", (), {"error": staticmethod(full)})())
    with pytest.raises(CredentialProblem):
        Credentials({}).logged("acme", f"file:{path}")
