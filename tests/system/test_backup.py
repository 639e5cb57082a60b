"""The drill: back up under load, lose the databases, restore, and find out what is missing."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from cluster import Cluster, Load, cluster, require_sound, whyledger
from environment import require_sound_log
from stage import on_postgresql

from gateway.settings import read_settings
from ledger.entry import b64

pytestmark = pytest.mark.slow


def lose_the_databases(on: Cluster) -> None:
    on.end()
    on.servers.clear()
    lost = on.settings.home.parent / "lost"
    lost.mkdir()
    for path in [*on.settings.home.glob("log.db*"), *on.settings.home.glob("vault.db*")]:
        shutil.move(path, lost)


def test_a_backup_under_load_is_restored_and_a_newer_head_halts_until_a_person_declares_the_loss(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path) as on:
        port = on.start()
        load = Load(on, [port])
        with load.running(callers=4):
            time.sleep(0.7)
            made = whyledger(on, "backup", str(tmp_path / "backup"))
            saved = set(load.acknowledged)
            time.sleep(1.5)  # the head is signed again, beyond the backup
        assert made.returncode == 0, made.stderr
        assert "verified" in made.stdout
        lose_the_databases(on)
        assert whyledger(on, "restore", str(tmp_path / "backup")).returncode == 0
        halted = whyledger(on, "serve", "--port", str(port))
        assert halted.returncode == 1
        assert "an old copy was restored" in halted.stderr
        assert "whyledger recover" in halted.stderr
        went_on = whyledger(on, "recover", "--as", "ada", "--reason", "the disk died; the backup of last night")
        assert went_on.returncode == 0, went_on.stderr
        on.start(port)
        assert on.call(port)[0] == 200
        on.until_all_ended()
        found = require_sound_log(on.settings, [])  # the bill covers calls that this log has lost: that is the loss
        assert [entry.kind for entry in found].count("gap.declared") == 1
        assert {entry.call for entry in found if entry.kind == "call.closed"} & saved
        refused = whyledger(on, "recover", "--as", "ada", "--reason", "again")
        assert "nothing is lost" in refused.stderr


def test_a_complete_backup_moves_an_installation_to_postgresql_and_back_with_its_contents(tmp_path: Path) -> None:
    with cluster(tmp_path) as on:
        port = on.start()
        _, call, _ = on.call(port, messages=[{"role": "user", "content": "how tall is the tower?"}])
        on.until_all_ended()
        on.end()
        on.servers.clear()
        assert whyledger(on, "backup", str(tmp_path / "backup")).returncode == 0
        on.environment = on_postgresql()
        on.settings = read_settings(on.settings.home, environment=on.environment)
        moved = whyledger(on, "restore", str(tmp_path / "backup"))
        assert moved.returncode == 0, moved.stderr
        on.start(port)
        assert on.call(port)[0] == 200
        why = json.loads(whyledger(on, "why", str(call), "--json", "--verify").stdout)
        assert "how tall is the tower?" in json.dumps(why)
        require_sound(on, [str(call)], cap=10**12)
        on.servers.clear()
        assert whyledger(on, "backup", str(tmp_path / "again")).returncode == 0
        on.environment = {}
        on.settings = read_settings(on.settings.home, environment={})
        lose_the_databases(on)
        assert whyledger(on, "restore", str(tmp_path / "again")).returncode == 0
        why = json.loads(whyledger(on, "why", str(call), "--json", "--verify").stdout)
        assert "how tall is the tower?" in json.dumps(why)
        require_sound_log(on.settings, [call])


def test_a_backup_that_an_earlier_version_made_is_restored_and_stays_as_it_is(tmp_path: Path) -> None:
    with cluster(tmp_path) as on:
        port = on.start()
        _, call, _ = on.call(port)
        on.until_all_ended()
        on.end()
        on.servers.clear()
        assert whyledger(on, "backup", str(tmp_path / "backup")).returncode == 0
        log, manifest = tmp_path / "backup" / "log.db", tmp_path / "backup" / "manifest.json"
        with contextlib.closing(sqlite3.connect(log)) as earlier:
            earlier.execute("ALTER TABLE ref DROP COLUMN brief")
            earlier.execute("CREATE INDEX ix_content_key ON content (key)")
            earlier.executescript("DROP TRIGGER content_no_UPDATE; DROP TRIGGER content_no_DELETE")
            earlier.execute("UPDATE alembic_version SET version_num = '0001'")
            earlier.commit()
            earlier.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made = json.loads(manifest.read_text("utf-8"))
        made["files"]["log.db"] = b64(hashlib.sha256(log.read_bytes()).digest())
        manifest.write_text(json.dumps(made), "utf-8")
        lose_the_databases(on)
        restored = whyledger(on, "restore", str(tmp_path / "backup"))
        assert restored.returncode == 0, restored.stderr
        why = json.loads(whyledger(on, "why", str(call), "--json", "--verify").stdout)
        assert [one["call"] for one in why["calls"]] == [call]
        assert made["files"]["log.db"] == b64(hashlib.sha256(log.read_bytes()).digest())
        assert not list(on.settings.home.glob("restore-*"))


def test_a_damaged_backup_and_a_full_house_are_refused(tmp_path: Path) -> None:
    with cluster(tmp_path) as on:
        port = on.start()
        on.call(port)
        on.end()
        on.servers.clear()
        assert whyledger(on, "backup", str(tmp_path / "backup")).returncode == 0
        again = whyledger(on, "backup", str(tmp_path / "backup"))
        assert again.returncode == 1
        assert "Traceback" not in again.stderr
        assert "is in the way" in whyledger(on, "restore", str(tmp_path / "backup")).stderr
        lose_the_databases(on)
        missing = whyledger(on, "doctor")
        assert "log.db is missing: put it back" in missing.stdout
        assert not list(on.settings.home.glob("log.db*"))  # looking made no empty one
        (tmp_path / "half").mkdir()
        assert "is not a finished backup" in whyledger(on, "restore", str(tmp_path / "half")).stderr
        copy = sqlite3.connect(tmp_path / "backup" / "log.db")
        copy.execute("DROP TRIGGER entry_no_UPDATE")
        copy.execute("UPDATE entry SET bytes = replace(bytes, 'prod', 'prob') WHERE seq = 3")
        copy.commit()
        copy.close()
        damaged = whyledger(on, "restore", str(tmp_path / "backup"))
        assert damaged.returncode == 1
        assert "is not the file that was backed up" in damaged.stderr
        assert not list(on.settings.home.glob("log.db*"))


def test_a_second_installation_on_the_same_database_is_refused_and_a_server_that_is_away_leaves_nothing(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path, on_postgresql()) as on:
        on.settings = read_settings(tmp_path / "second", environment=on.environment)
        refused = whyledger(on, "init", "--origin", "ledger.example/second")
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "copy of its home folder" in refused.stderr
        assert not list((tmp_path / "second").rglob("*.key"))
        on.environment = {"WHYLEDGER_DATABASE": "postgresql://nobody@127.0.0.1:1/none"}
        away = whyledger(on, "init", "--origin", "ledger.example/second")
        assert (away.returncode, away.stderr.count("\n")) == (1, 1)
        assert not list((tmp_path / "second").rglob("*.key"))
