"""Deployments of a LiteLLM proxy: which provider here serves each, at which address, with which key."""

import fnmatch
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gateway.configuration.litellm_reading import Reading, known, places
from gateway.configuration.load import loaded, provider_of

_MODEL = re.compile(r"[A-Za-z0-9/@][A-Za-z0-9@._:/+-]{0,199}")
_VARIABLE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?")
_PRICES = {
    "input": "input_cost_per_token", "output": "output_cost_per_token", "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}  # fmt: skip
_LAST = Decimal(10**9)
"""The order of what names none."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of `model_list` that can be served."""

    at: places
    model: str
    order: Decimal
    weight: Decimal
    ordered: bool
    """The file says which comes first."""


@dataclass(slots=True)
class Provider:
    """A provider that has to be written."""

    base_url: str
    key: str | None
    catalogue: str | None
    free: bool
    models: list[str] = field(default_factory=list)
    prices: dict[str, dict[str, Decimal]] = field(default_factory=dict)


def number(value: Any) -> Decimal | None:
    """Return a number by its text; nothing for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


class Models:
    """Reads `model_list`; collects the providers to write and the variables to set."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._builtin = loaded("")
        self._literals: dict[str, str] = {}
        self._served: dict[str, tuple[str, str | None]] = {}
        self.providers: dict[str, Provider] = {}
        self.variables: set[str] = set()

    def groups(self) -> dict[str, list[Deployment]]:
        """Return the deployments by the name that callers send, in the order in which they are tried."""
        found: dict[str, list[Deployment]] = {}
        for index, _ in enumerate(self._reading.peek("model_list")):
            at: places = ("model_list", index)
            name = self._reading.peek(*at, "model_name")
            if not self._reading.is_intent(name):
                self._reading.note(
                    at, "`model_name` is no name of an intent: letters, digits and . _ : / - are; no `*`"
                )
            elif one := self._deployment(at):
                self._reading.take(*at, "model_name")
                found.setdefault(name, []).append(one)
        return {name: sorted(group, key=lambda one: (one.order, -one.weight)) for name, group in found.items()}

    def _deployment(self, at: places) -> Deployment | None:
        params = (*at, "litellm_params")
        written, mode = self._reading.peek(*params, "model"), self._reading.peek(*at, "model_info", "mode")
        if not isinstance(written, str) or not written:
            self._reading.note(at, "it names no model")
            return None
        prefix, model = self._split(params, written)
        if prefix is None or not _MODEL.fullmatch(model):
            self._reading.note(
                at,
                f"{_shown(written)}: its provider is not known here, or has a format that is not spoken here",
            )
            return None
        if objection := self._objection(written, mode, prefix):
            self._reading.note(at, objection)
            return None
        if not self._serve(at, prefix, model):
            return None
        self._reading.take(*params, "model")
        if mode is not None:
            self._reading.take(*at, "model_info", "mode")
        order, weight = number(self._reading.peek(*params, "order")), number(self._reading.peek(*params, "weight"))
        if order is not None:
            self._reading.take(*params, "order")
        last = _LAST if order is None else order
        return Deployment(at, model, last, weight or Decimal(), order is not None or weight is not None)

    def _objection(self, written: str, mode: Any, prefix: str) -> str:
        """Return why a model of this kind is not served; empty where it is."""
        kind = known()["modes"].get(mode) if isinstance(mode, str) else _kind(written.lower())
        if kind is None:
            return "models of this kind are not served"
        builtin = self._builtin.providers.get(str(known()["providers"][prefix].get("builtin")))
        if kind == "embeddings" and builtin and "openai.embeddings" not in builtin.dialects:
            return f"embeddings of {prefix} are served in its own format only, and callers of this file use another"
        return ""

    def _split(self, params: places, written: str) -> tuple[str | None, str]:
        """Return what stands before the name of a model, and the name."""
        stated = self._reading.peek(*params, "custom_llm_provider")
        if isinstance(stated, str) and stated in known()["providers"]:
            self._reading.take(*params, "custom_llm_provider")
            return stated, written.removeprefix(f"{stated}/")
        prefix, slash, model = written.partition("/")
        if slash:
            return (prefix, model) if prefix in known()["providers"] else (None, written)
        found = provider_of(self._builtin, written)
        same = (one for one, row in known()["providers"].items() if found and row.get("builtin") == found[0])
        return next(same, None), written

    def _serve(self, at: places, prefix: str, model: str) -> bool:
        """Find or write the provider of a model; say why there is none."""
        row, params = known()["providers"][prefix], (*at, "litellm_params")
        builtin = self._builtin.providers.get(str(row.get("builtin")))
        default = builtin.base_url if builtin else row.get("base_url")
        base_url = self._address(params, default, row, prefix)
        if base_url is None:
            self._reading.note(at, f"it needs an address (`api_base`), because {prefix} has none of its own")
            return False
        usual = (builtin.key or "").removeprefix("env:") if builtin else row.get("key")
        key = self._key(params, usual or f"{re.sub('[^A-Z0-9]', '_', prefix.upper())}_API_KEY", needed=bool(usual))
        if self._served.setdefault(model, (base_url, key)) != (base_url, key):
            self._reading.note(
                at, f"{model} is served at one address with one key here; the first one in the file is kept"
            )
            return False
        self.variables |= {key} if key else set()
        prices, found = self._prices(at), provider_of(self._builtin, model)
        usual_way = builtin is not None and (base_url, f"env:{key}") == (builtin.base_url, builtin.key)
        if usual_way and found and found[0] == row["builtin"] and not prices:
            return True
        catalogue = builtin.catalogue if builtin and base_url == default else row.get("catalogue")
        made = self._provider(prefix, Provider(base_url, key, catalogue, row.get("price") == 0))
        made.models += [model] if model not in made.models else []
        if prices:
            made.prices[model] = prices
        elif not (catalogue or made.free):
            self._reading.note(
                (*params, "model"),
                f"no price is known for {model}: write `prices:`, or `price: 0` for a server of your own",
            )
        return True

    def _provider(self, prefix: str, wanted: Provider) -> Provider:
        for one in self.providers.values():
            if (one.base_url, one.key, one.catalogue) == (wanted.base_url, wanted.key, wanted.catalogue):
                return one
        taken = {*self.providers, *self._builtin.providers}
        name = next(one for one in _numbered(prefix, "-") if one not in taken)
        self.providers[name] = wanted
        return wanted

    def _address(self, params: places, default: str | None, row: dict[str, Any], prefix: str) -> str | None:
        """Return the base URL of a deployment: without a password, and with what ours ends in."""
        member = next((one for one in ("api_base", "base_url") if self._reading.peek(*params, one)), None)
        if member is None:
            return default
        given, place = str(self._reading.take(*params, member)), (*params, member)
        if variable := _VARIABLE.fullmatch(given):
            self._reading.note(
                place,
                f"write the value of {variable[1]} in place of the address that ends in .invalid",
            )
            return (
                f"https://{re.sub('[^a-z0-9]', '-', variable[1].lower()).strip('-')}.invalid{row.get('after', '/v1')}"
            )
        parts = _split_address(given)
        if parts is None:
            self._reading.note(place, "it is no address; write the one of the provider")
            return f"https://{re.sub('[^a-z0-9]', '-', prefix)}.invalid/v1"
        host = parts.netloc.rpartition("@")[2]
        if parts.username or parts.query or parts.fragment:
            self._reading.note(place, "what stands before @ or after ? in the address was not copied")
        path = parts.path.rstrip("/")
        after = str(row.get("after", ""))
        if after and not path.endswith(("/v1", after)):
            if path:
                self._reading.note(place, f"the path of the address became {after}")
            path = after
        return f"{parts.scheme}://{host}{_plain_path(path)}"

    def _key(self, params: places, usual: str, *, needed: bool) -> str | None:
        """Return the variable with the key. A key that stands in the file is not copied."""
        given = self._reading.peek(*params, "api_key")
        if given is None:
            return usual if needed else None
        self._reading.take(*params, "api_key")
        if variable := _VARIABLE.fullmatch(str(given)):
            return variable[1]
        names = _numbered(usual, "_")
        name = next(one for one in names if self._literals.get(one, str(given)) == str(given))
        self._literals[name] = str(given)
        self._reading.note((*params, "api_key"), f"the key in the file was not copied: set {name} to it")
        return name

    def _prices(self, at: places) -> dict[str, Decimal]:
        """Return USD per million tokens, where the file says what a token costs."""
        for section in ("litellm_params", "model_info"):
            found = {kind: number(self._reading.peek(*at, section, name)) for kind, name in _PRICES.items()}
            rows = {kind: value * 1_000_000 for kind, value in found.items() if value is not None and value >= 0}
            if {"input", "output"} <= rows.keys() and all(value <= 10_000 for value in rows.values()):
                for kind in rows:
                    self._reading.take(*at, section, _PRICES[kind])
                return {kind: value.quantize(Decimal("1e-9")).normalize() for kind, value in rows.items()}
        return {}


def _kind(name: str) -> str | None:
    """Return what a model is for, by its name."""
    for kind, patterns in (("embeddings", known()["embeddings"]), (None, known()["not_served"])):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return kind
    return "text"


def _numbered(name: str, between: str) -> Iterator[str]:
    """Yield a name, then the name with 2, 3 and so on."""
    yield name
    yield from (f"{name}{between}{at}" for at in itertools.count(2))


def _split_address(given: str) -> SplitResult | None:
    """Return the parts of an address; nothing if it is none, as a word without a scheme and a dot is."""
    try:
        parts = urlsplit(given if "://" in given else f"https://{given}")
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    named = _HOST.fullmatch(host) and ("://" in given or "." in host)
    return parts if named and parts.scheme in ("http", "https") else None


def _shown(written: str) -> str:
    return written if _MODEL.fullmatch(written) else "it"


def _plain_path(path: str) -> str:
    return path if re.fullmatch(r"[A-Za-z0-9._~/%-]*", path) else "/v1"
