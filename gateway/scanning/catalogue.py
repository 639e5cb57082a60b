"""What is looked for, read from `providers.yaml`: hosts, names of models, key variables, shapes of keys, libraries."""

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

SHOWN = 8
"""Characters of a key that are shown, at most a quarter of it."""
SHORTEST = 16
"""Characters of a key that has no shape of its own."""
_OWN = "whyledger"
_NAME = r"[A-Za-z0-9_.:@/\[\]-]*"
_PLACEHOLDER = re.compile(r"(?i)your|xxxx|example|placeholder|replace|insert|dummy|fake|\*\*\*|\.\.\.|change.?me|<|>")
_SEPARATORS = re.compile(r"[./:\\]")


@dataclass(frozen=True, slots=True)
class Library:
    """A package that calls a provider."""

    language: str
    package: str
    provider: str
    clients: tuple[str, ...]
    change: str
    dependency: str
    only_clients: bool = False
    """It does much else too: its import alone says nothing."""
    excepted: tuple[str, ...] = ()
    """Packages of that beginning that call nobody."""

    def holds(self, name: str) -> bool:
        """Tell whether an imported name is this package or lies in it."""
        if self.package.endswith("*"):
            return name.startswith(self.package[:-1]) and name not in self.excepted
        return name == self.package or (
            name.startswith(self.package) and bool(_SEPARATORS.match(name[len(self.package)]))
        )

    def client(self, name: str) -> str | None:
        """Return the part of a dotted name that makes a client or a call, if one does."""
        rest = name[len(self.package) :].lstrip(".")
        last = rest.rpartition(".")[2]
        for pattern in self.clients:
            if rest and (fnmatch.fnmatchcase(rest, pattern) or fnmatch.fnmatchcase(last, pattern)):
                return last if "." not in pattern else rest
        return None


@dataclass(frozen=True, slots=True)
class Hit:
    """Where in a text something stands, whose it is, and how it is shown."""

    start: int
    provider: str
    shown: str


@dataclass(frozen=True)
class Catalogue:
    """All that is looked for. Providers are named by their keys in the file; `name_of` says how people write them."""

    data: Mapping[str, Any]

    def name_of(self, provider: str) -> str:
        return str(self.data["providers"][provider]["name"])

    def change(self, name: str, client: str = "") -> str:
        """Return the line to write, for a finding of this kind or a library of this name."""
        return str(self.data["changes"][name]).format(client=client)

    def urls(self, text: str) -> Iterator[Hit]:
        """Yield the addresses of providers in a text."""
        for match in self._hosts.finditer(text):
            yield Hit(match.start(), self._owner(match, self._host_owners), match[0])

    def model(self, text: str) -> str | None:
        """Return whose model a whole text names, with or without the provider before it."""
        match = self._models.fullmatch(text)
        return self._owner(match, self._model_owners) if match else None

    def variable(self, name: str) -> str | None:
        """Return whose key a variable of this name holds."""
        return self._variables.get(name)

    def service(self, text: str) -> str | None:
        """Return the provider that a whole text names to a library of the cloud."""
        return self._services.get(text)

    def base_variables(self, provider: str) -> tuple[str, ...]:
        """Return the variables from which a provider's own libraries read the base URL."""
        return tuple(self.data["providers"][provider].get("base_url_variables", ()))

    def keys(self, text: str) -> Iterator[Hit]:
        """Yield what has the shape of a key and is no placeholder."""
        for match in self._keys.finditer(text):
            if _is_random(match[0]):
                yield Hit(match.start(), self._owner(match, self._key_owners), begun(match[0]))

    def without_keys(self, text: str) -> str:
        """Return a text with the beginning of each key in place of the key, also of one that other text touches."""
        return self._glued_keys.sub(lambda match: begun(match[0]), text)

    def is_own(self, provider: str) -> bool:
        """Tell whether it is this gateway itself."""
        return provider == _OWN

    def libraries(self, language: str) -> Sequence[Library]:
        return self._libraries.get(language, ())

    def library(self, language: str, name: str) -> Library | None:
        """Return the library that an imported name belongs to: the one that says most of it."""
        held = [one for one in self.libraries(language) if one.holds(name)]
        return max(held, key=lambda one: len(one.package), default=None)

    def client(self, language: str, name: str) -> tuple[Library, str] | None:
        """Return the library whose client or call a dotted name is, and how that is called."""
        for one in self.libraries(language):
            if one.holds(name) and (found := one.client(name)):
                return one, found
        return None

    def dependency(self, language: str, name: str) -> Library | None:
        """Return the library that a list of dependencies names."""
        for one in self.libraries(language):
            if fnmatch.fnmatchcase(name, one.dependency) and name not in one.excepted:
                return one
        return None

    def may_hold(self, text: str) -> bool:
        """Tell whether anything of it could stand in a file. A quick look: what is found later matches this too."""
        return bool(self._anything.search(text))

    def _owner(self, match: re.Match[str], owners: Mapping[str, str]) -> str:
        return owners[str(match.lastgroup)]

    def _each(self, member: str) -> Iterator[tuple[str, str]]:
        for provider, one in self.data["providers"].items():
            yield from ((provider, text) for text in one.get(member, ()))

    @cached_property
    def _host_owners(self) -> dict[str, str]:
        return {f"h{at}": provider for at, (provider, _) in enumerate(self._each("hosts"))}

    @cached_property
    def _hosts(self) -> re.Pattern[str]:
        parts = (f"(?P<h{at}>{_host(text)})" for at, (_, text) in enumerate(self._each("hosts")))
        return re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join(parts)})(?![A-Za-z0-9-]|\.[A-Za-z])")

    @cached_property
    def _model_owners(self) -> dict[str, str]:
        return {f"m{at}": provider for at, (provider, _) in enumerate(self._each("models"))}

    @cached_property
    def _models(self) -> re.Pattern[str]:
        parts = (f"(?P<m{at}>{_unnamed(text)}{_NAME})" for at, (_, text) in enumerate(self._each("models")))
        return re.compile(rf"(?:[a-z0-9_.-]+[:/]){{0,3}}(?:{'|'.join(parts)})")

    @cached_property
    def _variables(self) -> dict[str, str]:
        return {name: provider for provider, name in self._each("key_variables")}

    @cached_property
    def _services(self) -> dict[str, str]:
        return {name: provider for provider, name in self._each("services")}

    @cached_property
    def _key_owners(self) -> dict[str, str]:
        return {f"k{at}": provider for at, (provider, _) in enumerate(self._each("keys"))}

    @cached_property
    def _glued_keys(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?P<k{at}>{_unnamed(text)})" for at, (_, text) in enumerate(self._each("keys"))))

    @cached_property
    def _keys(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![A-Za-z0-9_-])(?:{self._glued_keys.pattern})(?![A-Za-z0-9])")

    @cached_property
    def _libraries(self) -> dict[str, tuple[Library, ...]]:
        return {language: tuple(_library(language, one) for one in rows) for language, rows in
                self.data["libraries"].items()}  # fmt: skip

    @cached_property
    def _anything(self) -> re.Pattern[str]:
        packages = {_first(one) for rows in self._libraries.values() for one in rows}
        dependencies = {one.dependency.rstrip("*") for rows in self._libraries.values() for one in rows}
        words = "|".join(
            re.escape(one) for one in sorted(packages | dependencies | set(self._variables) | set(self._services))
        )
        models = "|".join(_unnamed(text) for _, text in self._each("models"))
        pattern = rf"\b(?:{words})\b|\b(?:{models})|{self._hosts.pattern}|{self._keys.pattern}"
        return re.compile(pattern.replace("?P<", "?P<_"))


def begun(key: str) -> str:
    """Return the first characters of a key and an ellipsis; never more than a quarter of it."""
    return key[: min(SHOWN, len(key) // 4)] + "\u2026"


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands where a key would and is none."""
    return not _is_random(text) or len(text) < SHORTEST


def _is_random(text: str) -> bool:
    return len(set(text)) > 9 and any(one.isdigit() for one in text) and not _PLACEHOLDER.search(text)


def _first(library: Library) -> str:
    """Return what of a package's name stands in any file that imports it, however it is written."""
    return re.split(r"[.*]", library.package)[0] if library.language == "python" else library.package.rstrip("*")


def _host(text: str) -> str:
    if text.endswith(".*"):
        return re.escape(text[:-1]) + "[A-Za-z0-9.-]*"
    plain = re.escape(text.removeprefix("*"))
    if not text.startswith("*"):
        return plain
    labels = r"(?:[A-Za-z0-9-]{1,63}\.){0,8}"  # bounded, so that no text keeps us busy
    return rf"{labels}[A-Za-z0-9-]{{0,63}}{plain}" if text[1] == "-" else rf"{labels}{plain[2:]}"


def _unnamed(pattern: str) -> str:
    """Make the groups of a pattern non-capturing, so that the last group names the owner."""
    return re.sub(r"\((?!\?)", "(?:", pattern)


def _library(language: str, row: Mapping[str, Any]) -> Library:
    package = str(row["package"])
    return Library(
        language, package, str(row["provider"]), tuple(row["clients"]), str(row["change"]),
        str(row.get("dependency", package)), bool(row.get("only_clients", False)),
        tuple(row.get("except", ())),
    )  # fmt: skip


@cache
def catalogue() -> Catalogue:
    """Return what is looked for."""
    text = resources.files("gateway.scanning").joinpath("providers.yaml").read_text("utf-8")
    return Catalogue(YAML(typ="safe", pure=True).load(text))
