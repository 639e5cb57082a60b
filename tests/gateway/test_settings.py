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
        ({"WHYLEDGER_DRAIN": "2m"}, "whole seconds"),
        ({"WHYLEDGER_PORTS": "80"}, "unknown setting WHYLEDGER_PORTS"),
    ],
)  # fmt: skip
def test_what_is_misspelt_or_contradicts_itself_is_refused(environment: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        read_settings(Path("home"), environment=environment)


def test_what_kubernetes_makes_up_for_services_of_that_name_is_no_setting() -> None:
    made_up = {
        "WHYLEDGER_PORT": "tcp://10.0.0.7:8080", "WHYLEDGER_SERVICE_HOST": "10.0.0.7", "WHYLEDGER_SERVICE_PORT": "8080",
        "WHYLEDGER_SERVICE_PORT_HTTP": "8080", "WHYLEDGER_PORT_8080_TCP": "tcp://10.0.0.7:8080",
        "WHYLEDGER_PORT_8080_TCP_PROTO": "tcp", "WHYLEDGER_PORT_8080_TCP_PORT": "8080",
        "WHYLEDGER_PORT_8080_TCP_ADDR": "10.0.0.7", "WHYLEDGER_ADMIN_PORT": "tcp://10.0.0.8:9464",
        "WHYLEDGER_GATEWAY_SERVICE_HOST": "10.0.0.9", "WHYLEDGER_GATEWAY_PORT": "tcp://10.0.0.9:80",
    }  # fmt: skip
    settings = read_settings(Path("home"), environment=made_up)
    assert (settings.port, settings.admin_port) == (8080, 9464)
