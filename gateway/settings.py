"""The only reader of the environment: where things are on this machine. What the gateway does is in the configuration.

WHYLEDGER_HOME          folder of databases and keys (default ./whyledger-data)
WHYLEDGER_DATABASE      postgresql://... of the ledger, shared by many processes (default: a SQLite file in the folder)
WHYLEDGER_DATABASE_OWNER  the same database as the role that owns its tables; used by `init` and `migrate` only
WHYLEDGER_KEY_STORE     postgresql://... of the key store, another database (default: a SQLite file in the folder)
WHYLEDGER_PASSPHRASE    opens the secret files, when they were made with one
WHYLEDGER_TOKEN         the personal token of whoever uses the command line
WHYLEDGER_HOST, _PORT   where `serve` listens (default 127.0.0.1:8080)
WHYLEDGER_KEEP_ALIVE    seconds for which an idle connection of a caller is kept (default 75: longer than proxies do)
WHYLEDGER_DRAIN         seconds that running answers get when the process is stopped (default 300)
WHYLEDGER_ROOT_PATH     where a reverse proxy shows us, such as /llm (default: at the root)
WHYLEDGER_TRUSTED_PROXIES  addresses or networks whose X-Forwarded-For and -Proto are believed (default: nobody's)
WHYLEDGER_ADMIN_HOST, _PORT  where /metrics and /healthz listen (default 127.0.0.1:9464)
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "WHYLEDGER_"
KNOWN = frozenset(
    {"HOME", "DATABASE", "DATABASE_OWNER", "KEY_STORE", "PASSPHRASE", "TOKEN", "HOST", "PORT", "ADMIN_PORT"}
    | {"ADMIN_HOST", "KEEP_ALIVE", "DRAIN", "ROOT_PATH", "TRUSTED_PROXIES"}
)
MOST_SECONDS = 86_400
_SERVICE_URLS = ("tcp://", "udp://", "sctp://")
_SERVICE = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
URL_PREFIX = "postgresql://"


class SettingsError(Exception):
    """A setting is misspelt or malformed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Frozen at start."""

    home: Path
    database: str | None = field(repr=False)
    database_owner: str | None = field(repr=False)
    key_store: str | None = field(repr=False)
    passphrase: str | None = field(repr=False)
    token: str | None = field(repr=False)
    host: str
    port: int
    admin_host: str
    admin_port: int
    keep_alive: int
    drain: int
    root_path: str
    """Where a reverse proxy shows us, such as `/llm`; empty where that is the root."""
    trusted_proxies: str
    """Addresses and networks whose X-Forwarded-For and -Proto are believed, with commas; nobody's if empty."""
    environment: Mapping[str, str] = field(repr=False)
    """The whole environment, for `env:NAME` references in the configuration."""

    @property
    def log_database(self) -> Path | str:
        """The SQLite file or the PostgreSQL URL of the ledger."""
        return self.database or self.home / "log.db"

    @property
    def vault_database(self) -> Path | str:
        """The SQLite file or the PostgreSQL URL of the key store."""
        return self.key_store or self.home / "vault.db"

    @property
    def head_file(self) -> Path:
        return self.home / "head.note"

    @property
    def dictionaries(self) -> Path:
        """The folder of lists of names and words."""
        return self.home / "dictionaries"

    @property
    def lock_file(self) -> Path | None:
        """What writers of several processes queue on; PostgreSQL queues them itself."""
        return None if self.database else self.home / "log.lock"

    def secret_file(self, name: str) -> Path:
        return self.home / "secrets" / name


def read_settings(home: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: an unknown WHYLEDGER_ name, or a port that is no port.
    """
    values = dict(os.environ if environment is None else environment)
    values = {name: text for name, text in values.items() if not _of_kubernetes(name, text)}
    unknown = sorted(name for name in values if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in KNOWN)
    if unknown:
        raise SettingsError(
            f"unknown setting {unknown[0]}; known are {', '.join(PREFIX + name for name in sorted(KNOWN))}"
        )
    _require_apart(values)
    return Settings(
        home=(home or Path(values.get("WHYLEDGER_HOME") or "whyledger-data")).absolute(),
        database=_url(values, "WHYLEDGER_DATABASE"),
        database_owner=_url(values, "WHYLEDGER_DATABASE_OWNER"),
        key_store=_url(values, "WHYLEDGER_KEY_STORE"),
        passphrase=values.get("WHYLEDGER_PASSPHRASE") or None,
        token=values.get("WHYLEDGER_TOKEN") or None,
        host=values.get("WHYLEDGER_HOST") or "127.0.0.1",
        port=_port(values, "WHYLEDGER_PORT", 8080),
        admin_host=values.get("WHYLEDGER_ADMIN_HOST") or "127.0.0.1",
        admin_port=_port(values, "WHYLEDGER_ADMIN_PORT", 9464),
        keep_alive=_seconds(values, "WHYLEDGER_KEEP_ALIVE", 75),
        drain=_seconds(values, "WHYLEDGER_DRAIN", 300),
        root_path=_root_path(values),
        trusted_proxies=_networks(values),
        environment=values,
    )


def _of_kubernetes(name: str, text: str) -> bool:
    """Tell whether a variable was made up for a Service whose name begins as our settings do."""
    return name.startswith(PREFIX) and (
        text.startswith(_SERVICE_URLS) or (name.removeprefix(PREFIX) not in KNOWN and bool(_SERVICE.search(name)))
    )


def _seconds(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name) or str(default)
    if not text.isdecimal() or int(text) > MOST_SECONDS:
        raise SettingsError(f"{name} is {text!r}; write whole seconds, at most {MOST_SECONDS}")
    return int(text)


def _root_path(values: Mapping[str, str]) -> str:
    text = (values.get("WHYLEDGER_ROOT_PATH") or "").rstrip("/")
    if text and not _ROOT_PATH.fullmatch(text):
        raise SettingsError(f"WHYLEDGER_ROOT_PATH is {text!r}; write a path such as /llm")
    return text


def _networks(values: Mapping[str, str]) -> str:
    """Return the trusted proxies. `*` is none: whoever can reach us could then say what they like."""
    named = [one.strip() for one in (values.get("WHYLEDGER_TRUSTED_PROXIES") or "").split(",") if one.strip()]
    for one in named:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise SettingsError(
                f"WHYLEDGER_TRUSTED_PROXIES has {one!r}; write addresses or networks, such as 10.0.0.0/8"
            ) from None
    return ",".join(named)


def _url(values: Mapping[str, str], name: str) -> str | None:
    text = values.get(name) or None
    if text and not text.startswith(URL_PREFIX):
        raise SettingsError(f"{name} does not start with {URL_PREFIX}: leave it out for SQLite")
    return text


def _require_apart(values: Mapping[str, str]) -> None:
    """Refuse settings of the databases that contradict each other."""
    ledger, owner, keys = (values.get(PREFIX + name) or "" for name in ("DATABASE", "DATABASE_OWNER", "KEY_STORE"))
    if owner and _place(owner) != _place(ledger):
        raise SettingsError("WHYLEDGER_DATABASE_OWNER is not the database of WHYLEDGER_DATABASE as another role")
    if keys and _place(keys) == _place(ledger):
        raise SettingsError("WHYLEDGER_KEY_STORE is the database of the ledger; give the keys one of their own")


def _place(url: str) -> str:
    """Return a database's URL without the role."""
    return url.removeprefix(URL_PREFIX).rpartition("@")[2]


def _port(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name) or str(default)
    if not text.isdecimal() or not 0 <= int(text) < 65536:
        raise SettingsError(f"{name} is {text!r}, not a port")
    return int(text)
