"""Settings are read strictly: what is misspelt or contradicts itself is refused before anything is opened."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, read_settings

LEDGER, KEYS = "postgresql://gateway:secret@db/ledger", "postgresql://keys@db/keys"


def test_the_three_databases_are_read() -> None:
    owner = "postgresql://owner@db/ledger"
    environment = {"WHYLEDGER_DATABASE": LEDGER, "WHYLEDGER_DATABASE_OWNER": owner, "WHYLEDGER_KEY_STORE": KEYS}
    settings = read_settings(Path("home"), environment=environment)
    assert (settings.log_database, settings.database_owner, settings.vault_database) == (LEDGER, owner, KEYS)
    assert settings.lock_file is None


@pytest.mark.parametrize(
    ("environment", "wrong"),
    [
        ({"WHYLEDGER_DATABSE": LEDGER}, "unknown setting WHYLEDGER_DATABSE"),
        ({"WHYLEDGER_DATABASE": "mysql://db/ledger"}, "does not start with postgresql://"),
        ({"WHYLEDGER_DATABASE_OWNER": LEDGER}, "is not the database of WHYLEDGER_DATABASE"),
        ({"WHYLEDGER_DATABASE": LEDGER, "WHYLEDGER_DATABASE_OWNER": KEYS}, "is not the database of WHYLEDGER_DATABASE"),
        ({"WHYLEDGER_DATABASE": LEDGER, "WHYLEDGER_KEY_STORE": "postgresql://k@db/ledger"}, "one of their own"),
        ({"WHYLEDGER_PORT": "http"}, "not a port"),
    ],
)  # fmt: skip
def test_what_is_misspelt_or_contradicts_itself_is_refused(environment: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        read_settings(Path("home"), environment=environment)
