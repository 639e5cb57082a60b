"""Contents that were changed, taken away, swapped or added in the database are found by whoever may open them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from stage import Stage, on_postgresql, stage

from gateway.oversight import acts
from gateway.settings import read_settings
from gateway.store.backups import back_up, restore
from gateway.store.contents import opening_with, own_log, root_key
from gateway.web.api import explain
from ledger import verify_log
from ledger.__main__ import main
from ledger.errors import LedgerUnavailable
from ledger.store.engine import open_engine
from ledger.store.live import LiveLog, open_live

SUBJECT = "anna.schmidt@example.eu"
Row = tuple[int, str, bytes]
Report = tuple[int, dict[str, tuple[str, str]]]


def told(on: Stage) -> list[int]:
    """Make calls and acts with contents; returns the numbers of the first two closes, and of an entry without any."""
    calls = []
    for number in range(3):
        on.client(x_whyledger_task=f"t:{number}").chat.completions.create(
            model="support", messages=[{"role": "user", "content": f"question {number}"}]
        )
    calls = on.settled("call.closed", 3)
    acts.override(
        on.installation, on.person("ada"), str(calls[0].call), action="reverse", reason_code="R07", reason="wrong",
        presented="shown", before="a", after="b",
    )  # fmt: skip
    on.installation.checkpointer.sign(now=True)
    return [calls[0].seq, calls[1].seq, on.entries("signer.added")[0].seq]


def drop_triggers(on: Stage) -> None:
    """As somebody does who owns the database."""
    statements = ["DROP TRIGGER content_no_UPDATE", "DROP TRIGGER content_no_DELETE"]
    as_owner(on, *(["DROP TRIGGER content_append_only ON content"] if on.settings.database else statements))


def as_owner(on: Stage, *statements: str | Callable[[Connection], object]) -> None:
    engine = open_engine(on.settings.database_owner or on.settings.log_database)
    with engine.execution_options(writes=True).begin() as connection:
        for one in statements:
            connection.execute(text(one)) if isinstance(one, str) else one(connection)
    engine.dispose()


def rows(on: Stage) -> list[Row]:
    with on.installation.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT seq, key, ciphertext FROM content ORDER BY seq")
        return [(seq, key, bytes(ciphertext)) for seq, key, ciphertext in found]


def store(on: Stage, wanted: list[Row]) -> None:
    """Make these the contents that are stored."""
    statement = text("INSERT INTO content VALUES (:seq, :key, :ciphertext)")
    values = [{"seq": seq, "key": key, "ciphertext": data} for seq, key, data in wanted]
    as_owner(on, "DELETE FROM content", lambda connection: connection.execute(statement, values))


def report(capsys: pytest.CaptureFixture[str], *arguments: str, own: Any = None) -> Report:
    """Run the verifier; returns its exit code and (result, detail) of each step."""
    capsys.readouterr()
    code = main(["verify", "--json", *arguments], own)
    steps = json.loads(capsys.readouterr().out)["steps"]
    return code, {one["name"]: (one["result"], one["detail"]) for one in steps}


def of_own(on: Stage, capsys: pytest.CaptureFixture[str]) -> Report:
    return report(capsys, own=lambda: own_log(on.settings))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, list[int]]]:
    environment = on_postgresql() if request.param == "postgresql" else {}
    with stage(tmp_path_factory.mktemp("contents") / "home", environment=environment) as on:
        numbers = told(on)
        drop_triggers(on)
        yield on, numbers


def flipped(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


def changing(
    number: int, change: Callable[[str, bytes], tuple[str, bytes]]
) -> Callable[[list[Row], list[int]], list[Row]]:
    return lambda found, at: [
        (seq, *change(key, data)) if seq == at[number] else (seq, key, data) for seq, key, data in found
    ]


def swapped(found: list[Row], at: list[int]) -> list[Row]:
    other = {at[0]: at[1], at[1]: at[0]}
    kept = {seq: (key, data) for seq, key, data in found}
    return [(seq, *kept[other.get(seq, seq)]) for seq, _, _ in found]


GONE = "key_" + "A" * 22
TAMPERED: dict[str, tuple[Callable[[list[Row], list[int]], list[Row]], bool, bool]] = {
    # what is done, whether it shows without the key store, whether the answer about the call tells of that entry
    "changed": (changing(0, lambda key, data: (key, flipped(data))), False, True),
    "truncated": (changing(0, lambda key, data: (key, data[:40])), False, True),
    "emptied": (changing(0, lambda key, _data: (key, b"")), False, True),
    "swapped": (swapped, False, True),
    "made to look erased": (changing(0, lambda _key, data: (GONE, data)), False, True),
    "deleted": (lambda found, at: [row for row in found if row[0] != at[0]], True, True),
    "added": (lambda found, at: [*found, (at[2], found[0][1], found[0][2])], True, False),
    "added beyond the log": (lambda found, at: [*found, (99_999, found[0][1], found[0][2])], True, False),
    "added before the log": (lambda found, at: [*found, (-1, found[0][1], found[0][2])], True, False),
}


@pytest.mark.parametrize("tampering", TAMPERED)
def test_contents_that_are_not_what_was_committed_to_are_found(
    kept: tuple[Stage, list[int]], capsys: pytest.CaptureFixture[str], tmp_path: Path, tampering: str
) -> None:
    on, at = kept
    change, shows, is_told = TAMPERED[tampering]
    honest = rows(on)
    call = str(on.entries("call.closed")[0].call)
    try:
        store(on, changed := change(honest, at))
        own, bare = of_own(on, capsys), report(capsys, str(on.settings.log_database))
        failures = explain(on.installation, call).integrity.failures
        with pytest.raises(LedgerUnavailable, match="does not verify: contents: entry") as refused:
            back_up(on.installation, tmp_path / "backup")
    finally:
        store(on, honest)
    wrong = min(set(changed) ^ set(honest))[0]
    assert (own[0], own[1]["contents"][0]) == (1, "FAIL")
    assert f"entry {wrong}:" in own[1]["contents"][1]
    assert f"entry {wrong}:" in str(refused.value)
    assert own[1]["held head"][0] == "PASS"
    assert bare[1]["contents"][0] == ("FAIL" if shows else "NOT CHECKED")
    assert bare[0] == (1 if shows else 2)
    assert [one.partition(": contents:")[0] for one in failures] == ([f"entry {wrong}"] if is_told else [])


def test_an_untouched_log_passes_everywhere_and_one_process_or_two_say_the_same(
    kept: tuple[Stage, list[int]], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on, at = kept
    assert explain(on.installation, str(on.entries("call.closed")[0].call)).integrity.failures == ()
    back_up(on.installation, tmp_path / "backup")
    code, steps = of_own(on, capsys)
    count = sum(bool(entry.c) for entry in on.entries())
    assert (code, steps["contents"]) == (
        0,
        ("PASS", f"the contents of {count} entries open and are what these commit to"),
    )
    code, steps = report(capsys, str(on.settings.log_database))
    assert (code, steps["contents"][0]) == (2, "NOT CHECKED")
    assert f"{count} entries commit to contents" in steps["contents"][1]

    monkeypatch.setattr(verify_log, "PAGE", 3)
    live = open_live(on.settings.log_database)
    honest = rows(on)
    with opening_with(on.settings.vault_database, root_key(on.settings)) as opening:

        def contents(workers: int) -> tuple[str, str]:
            checked = verify_log.verify_log(
                live.read, origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[],
                workers=workers, kept=live, opening=opening,
            )  # fmt: skip
            (step,) = (one for one in checked.steps if one.name == "contents")
            return step.result, step.detail

        good = contents(1), contents(2)
        try:
            store(on, swapped(honest, at))
            bad = contents(1), contents(2)
        finally:
            store(on, honest)
    assert good[0] == good[1] == ("PASS", f"the contents of {count} entries open and are what these commit to")
    assert bad[0] == bad[1]
    assert (bad[0][0], bad[0][1].count("entry")) == ("FAIL", 2)


def test_a_key_that_was_destroyed_is_erasure_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stage(tmp_path / "home") as on:
        told(on)
        on.client(x_whyledger_task="t:9", x_whyledger_subject=SUBJECT).chat.completions.create(
            model="support", messages=[{"role": "user", "content": "a personal question"}]
        )
        on.settled("call.closed", 4)
        on.installation.checkpointer.sign(now=True)
        subject = on.installation.vault.find_subject("subject", SUBJECT)
        assert subject is not None
        on.installation.vault.destroy(subject.ref)
        code, steps = of_own(on, capsys)
        answer = explain(on.installation, "t:9")
        made = back_up(on.installation, tmp_path / "backup")
        restored = read_settings(tmp_path / "again", environment={})
        restored.home.mkdir()
        (restored.home / "secrets").symlink_to(on.settings.home / "secrets")
        assert restore(restored, tmp_path / "backup") == made
    assert (code, steps["contents"][0]) == (0, "PASS")
    assert "2 are erased" in steps["contents"][1]
    assert answer.integrity.failures == ()
    assert "no longer readable: its key was destroyed" in str(answer.questions)


def test_the_contents_of_a_subject_s_call_cannot_be_made_to_look_erased_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stage(tmp_path / "home") as on:
        on.client(x_whyledger_subject=SUBJECT).chat.completions.create(
            model="support", messages=[{"role": "user", "content": "a personal question"}]
        )
        (closed,) = on.settled("call.closed")
        drop_triggers(on)
        store(on, [(seq, GONE if seq == closed.seq else key, data) for seq, key, data in rows(on)])
        for code, steps in (of_own(on, capsys), report(capsys, str(on.settings.log_database))):
            assert (code, steps["contents"][0]) == (1, "FAIL")
            assert f"entry {closed.seq}: contents name another key" in steps["contents"][1]


def test_a_name_that_was_swapped_is_not_told_as_erased(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        at = told(on)
        drop_triggers(on)
        ada, victor = (entry.seq for entry in on.entries("person.enrolled"))
        store(on, swapped(rows(on), [ada, victor]))
        answer = explain(on.installation, str(on.entries("call.closed")[0].call))
        assert at[0] not in (ada, victor)
    assert [one.partition(": contents:")[0] for one in answer.integrity.failures] == [f"entry {ada}"]
    assert "whose name is kept, but it does not match its commitment" in str(answer.approvals)


def test_a_damaged_key_store_or_another_root_key_fails_and_is_no_erasure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stage(tmp_path / "home") as on:
        told(on)
        live = open_live(on.settings.log_database)
        with opening_with(on.settings.vault_database, bytes(32)) as opening:
            checked = verify_log.verify_log(
                live.read, origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[],
                kept=live, opening=opening,
            )  # fmt: skip
        on.installation.vault.destroy("key_ledger")
        code, steps = of_own(on, capsys)
    assert [step.result for step in checked.steps if step.name == "contents"] == ["FAIL"]
    assert (code, steps["contents"][0]) == (1, "FAIL")
    assert "the ledger's own key is not in the key store" in steps["contents"][1]


def test_contents_sealed_anew_by_who_has_the_keys_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stage(tmp_path / "home") as on:
        told(on)
        drop_triggers(on)
        closed = next(one for one in on.entries("call.opened") if len(one.c) > 1)
        values: dict[str, object] = dict.fromkeys(closed.c, "another")
        _, sealed = on.installation.vault.seal(values, entry_id=closed.id)
        store(on, [row if row[0] != closed.seq else (row[0], sealed.key, sealed.ciphertext) for row in rows(on)])
        code, steps = of_own(on, capsys)
        values.pop(min(values))
        _, sealed = on.installation.vault.seal(values, entry_id=closed.id)
        store(on, [row if row[0] != closed.seq else (row[0], sealed.key, sealed.ciphertext) for row in rows(on)])
        lacking = of_own(on, capsys)
    assert (code, steps["contents"][0]) == (1, "FAIL")
    assert f"entry {closed.seq}: " in steps["contents"][1]
    assert "does not have the committed digest" in steps["contents"][1]
    assert "nothing is kept under this name" in lacking[1]["contents"][1]


def test_a_table_of_contents_that_is_gone_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stage(tmp_path / "home") as on:
        told(on)
        as_owner(on, "ALTER TABLE content RENAME TO elsewhere")
        bare = report(capsys, str(on.settings.log_database))
        as_owner(on, "ALTER TABLE elsewhere RENAME TO content")
    assert (bare[0], bare[1]["contents"][0]) == (1, "FAIL")
    assert "contents cannot be read" in bare[1]["contents"][1]


def test_contents_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a page has: what is read together is bounded in bytes."""
    monkeypatch.setattr("ledger.verify_contents.BATCH", 1000)
    read: list[int] = []
    real = LiveLog.ciphertexts

    def noting(self: LiveLog, first: int, end: int) -> dict[int, bytes]:
        found = real(self, first, end)
        read.append(sum(map(len, found.values())))
        return found

    monkeypatch.setattr(LiveLog, "ciphertexts", noting)
    with stage(tmp_path / "home") as on:
        told(on)
        stored = rows(on)
        live = open_live(on.settings.log_database)
        with opening_with(on.settings.vault_database, root_key(on.settings)) as opening:
            checked = verify_log.verify_log(
                live.read, origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[],
                kept=live, opening=opening,
            )  # fmt: skip
    assert [step.result for step in checked.steps if step.name == "contents"] == ["PASS"]
    assert sum(read) == sum(len(data) for _, _, data in stored)
    assert 1 < len(read) <= len(stored)
    assert max(read) <= max(1000, *(len(data) for _, _, data in stored))


def test_the_command_line_verifies_its_own_installation(tmp_path: Path) -> None:
    from shell import Shell

    shell = Shell(tmp_path / "home")
    code, _, wrong = shell("verify")
    assert (code, "no installation in" in wrong) == (1, True)
    with stage(tmp_path / "home") as on:
        at = told(on)
        drop_triggers(on)
        said = shell.ok("verify")
        assert "VALID to level L2" in said
        assert "PASS         contents" in said
        store(on, [row for row in rows(on) if row[0] != at[0]])
        code, said, _ = shell("verify")
        call = str(on.entries("call.closed")[0].call)
        why = shell("why", call, "--verify")
    assert (code, f"entry {at[0]}: it commits to contents, and none are stored" in said) == (1, True)
    assert (why[0], f"entry {at[0]}: contents: it commits" in why[1]) == (1, True)
