"""A log is verified page by page; where a page ends changes nothing."""

import contextlib
import json
import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenLog, appending
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint, merkle, verify_log
from ledger.checkpoint import Checkpoint
from ledger.entry import GENESIS, Draft, encode
from ledger.steps import FAIL
from ledger.store.live import LiveLog, open_live
from ledger.verify_log import _Marks

LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(40)]


@given(st.sets(st.integers(1, 40)), st.lists(st.integers(0, 9), max_size=12))
def test_roots_are_taken_at_every_signed_size_however_the_leaves_come(sizes: set[int], pages: list[int]) -> None:
    marks = _Marks([Checkpoint("log", size, bytes(32)) for size in sizes])
    at = 0
    for page in [*pages, len(LEAVES)]:
        marks.add(LEAVES[at : at + page])
        at = min(at + page, len(LEAVES))
    assert marks.frontier.root() == merkle.root(LEAVES)
    for size in sizes:
        marks.require(Checkpoint("log", size, merkle.root(LEAVES[:size])), "a head")


def stored(folder: Path, log: OpenLog, entries: list[bytes], signed: bytes | None) -> LiveLog:
    """Store entries as somebody would who can write to the file, under the head of the log."""
    folder.mkdir()
    head = log.reader.head()
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as database:
        database.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB)")
        database.executemany("INSERT INTO entry VALUES (?, ?)", enumerate(entries))
        database.execute("CREATE TABLE state (key TEXT, value TEXT)")
        kept = json.dumps({"note": (signed or b"").decode()})
        database.executemany("INSERT INTO state VALUES ('checkpoint', ?)", [(kept,)] if signed else [])
        database.execute("CREATE TABLE head (origin TEXT, size INTEGER, frontier BLOB)")
        edge = b"".join(head.frontier.hashes)
        database.execute("INSERT INTO head VALUES (?, ?, ?)", (head.origin, head.size, edge))
        database.commit()
    return open_live(folder / "log.db")


@pytest.mark.parametrize(("page", "workers"), [(1, 1), (7, 1), (512, 1), (7, 2)])
def test_a_log_verifies_and_a_changed_one_does_not(
    on_file: OpenLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: int, workers: int
) -> None:
    monkeypatch.setattr(verify_log, "PAGE", page)
    on_file.log.append(appending(*["call.opened"] * 20))
    signed = on_file.checkpointer.sign()
    on_file.log.append(appending(*["call.closed"] * 9))
    raw = list(on_file.reader.raw(0, 29))
    later = raw[12].replace(b"opened", b"closed")

    def results(name: str, entries: list[bytes]) -> dict[str, str]:
        live = stored(tmp_path / name, on_file, entries, signed)
        report = verify_log.verify_log(
            live.read, origin=live.origin, size=live.size, root=live.root, signed=live.signed,
            vkeys=[on_file.signer.vkey], held=[signed or b""], workers=workers,
        )  # fmt: skip
        return {step.name: step.result for step in report.steps}

    assert checkpoint.unverified(signed or b"").size == 20
    assert FAIL not in results("whole", raw).values()
    assert FAIL in results("without its tail", raw[:-1]).values()
    # Each of these shows in the chain already, also where it crosses from one page to the next.
    for name, entries in (
        ("without all after a page", raw[:page] if page < 29 else []),
        ("without its first", raw[1:]),
        ("in another order", [*raw[:9], raw[10], raw[9], *raw[11:]]),
        ("changed", [*raw[:12], later, *raw[13:]]),
        ("changed at the end of a page", [*raw[:6], raw[6].replace(b"opened", b"closed"), *raw[7:]]),
    ):
        assert results(name, entries)["entries"] == FAIL, name


@pytest.mark.parametrize("page", [1, 2])
def test_time_does_not_fall_from_one_page_to_the_next_either(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(verify_log, "PAGE", page)
    raw, prev = list[bytes](), GENESIS
    for seq, second in enumerate((2, 1)):
        at = f"2026-11-25T09:00:0{second}.000000Z"
        raw.append(
            encode(
                Draft(id=f"ent_01938f6c-5f00-7abc-8def-00000000000{seq}", kind="call.opened"),
                log="l",
                seq=seq,
                prev=prev,
                at=at,
            )
        )
        prev = merkle.leaf_hash(raw[-1])
    root = merkle.root([merkle.leaf_hash(data) for data in raw])
    report = verify_log.verify_log(
        lambda first, end: raw[first:end], origin="l", size=2, root=root, signed=None, vkeys=[]
    )
    assert {step.name: step.result for step in report.steps}["entries"] == FAIL


def test_a_file_that_took_the_place_of_a_log_is_the_one_that_is_read(on_file: OpenLog, tmp_path: Path) -> None:
    on_file.log.append(appending(*["call.opened"] * 3))
    raw = list(on_file.reader.raw(0, 3))
    stored(tmp_path / "a", on_file, raw, None)
    (tmp_path / "a" / "log.db").unlink()
    stored(tmp_path / "b", on_file, raw[:2], None)
    (tmp_path / "b" / "log.db").rename(tmp_path / "a" / "log.db")
    assert open_live(tmp_path / "a" / "log.db").read(0, 3) == raw[:2]


def test_a_process_that_is_killed_while_it_checks_changes_no_verdict(
    on_file: OpenLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(verify_log, "PAGE", 3)
    on_file.log.append(appending(*["call.opened"] * 60))
    raw = list(on_file.reader.raw(0, 60))
    real = verify_log._result
    killed: list[int | None] = []

    def result(*arguments: Any) -> Any:
        for child in multiprocessing.active_children() if len(killed) < 2 else ():
            child.kill()
            killed.append(child.pid)
        return real(*arguments)

    monkeypatch.setattr(verify_log, "_result", result)
    for name, entries in (("good", raw), ("bad", [*raw[:50], raw[50].replace(b"opened", b"closed"), *raw[51:]])):
        killed.clear()
        live = stored(tmp_path / name, on_file, entries, None)
        report = verify_log.verify_log(
            live.read, origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[], workers=2
        )
        assert killed
        assert report.failed is (name == "bad")
