"""From the configuration of a LiteLLM proxy to one of ours. What cannot be carried over is named, never dropped.

`litellm_reading` has what is read, `litellm_writing` the text that comes of it.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Any

from gateway.configuration.litellm_models import Deployment, Models, number
from gateway.configuration.litellm_reading import Note, Reading, places
from gateway.configuration.litellm_writing import Route, as_yaml
from gateway.configuration.load import ConfigurationError, load, loaded, plain

_RETRIES, _SECONDS, _TOKENS, _LONGEST_TTL = 10, 86_400, 1_000_000, 86_400 * 30
_MOST_EUR = Decimal(1_000_000)
_DAY = ("1d", "24h", "day", "daily")


@dataclass(frozen=True, slots=True)
class Translated:
    """The text of a configuration, what it leaves open, and the variables that have to be set."""

    text: str
    notes: tuple[Note, ...]
    variables: tuple[str, ...]


def translate(text: str, *, name: str) -> Translated:
    """Return the configuration that does what a LiteLLM proxy's does, as far as there is one.

    Raises:
        ConfigurationError: the text is no configuration of a LiteLLM proxy, or nothing of it can be served.
    """
    document = plain(text, name=name)
    if not isinstance(document, dict) or not isinstance(document.get("model_list"), list):
        raise ConfigurationError([f"{name}:1: this is no configuration of a LiteLLM proxy: it has no `model_list:`"])
    reading = Reading(document)
    models = Models(reading)
    groups = models.groups()
    if not groups:
        said = [f"{name}: {one.place}: {one.why}" for one in reading.notes()]
        raise ConfigurationError([*said, f"{name}: no model of it could be carried over"])
    routes = _Routes(reading, groups).routes()
    cap = _daily_cap(reading, ("litellm_settings",))
    notes = (*reading.notes(), *_hints(models))
    made = as_yaml(name, routes, models.providers, cap, notes)
    load(made, name=name)  # what we write loads, or we say where not
    return Translated(made, tuple(reading.notes()), tuple(sorted(models.variables)))


def _hints(models: Models) -> list[Note]:
    return [Note("variable", f"set {one} in the environment of `whyledger serve`") for one in sorted(models.variables)]


def _daily_cap(reading: Reading, at: tuple[Any, ...]) -> Decimal | None:
    """Return a budget of one day in EUR, rounded down to the cent; of other periods nothing, and that is said."""
    budget, duration = number(reading.peek(*at, "max_budget")), reading.peek(*at, "budget_duration")
    if budget is None or budget < 0:
        return None
    if duration not in _DAY:
        period = re.fullmatch(r"[0-9]{1,4}(s|m|h|d|mo)", str(duration))
        per = f"of {duration}" if period else "without a period of days"
        reading.note(
            (*at, "max_budget"), f"USD {budget} {per}: caps here are of a day. Write `max_budget_daily` in EUR"
        )
        reading.take(*at, "budget_duration")
        return None
    reading.take(*at, "max_budget")
    reading.take(*at, "budget_duration")
    rate = loaded("").fx.usd_per_eur
    return min(budget / rate, _MOST_EUR).quantize(Decimal("0.01"), ROUND_DOWN)


class _Routes:
    """Groups of deployments as routes: their order, fallbacks, retries, limits."""

    def __init__(self, reading: Reading, groups: dict[str, list[Deployment]]) -> None:
        self._reading, self._groups = reading, groups
        self._used: set[places] = set()
        self._passed: dict[places, str] = {}

    def routes(self) -> list[Route]:
        fallbacks = self._fallbacks()
        routes = [self._route(name, group, fallbacks) for name, group in self._groups.items()]
        for place in self._passed.keys() - self._used:
            self._reading.note(place, f"another setting goes before it for {self._passed[place]}")
        known = {one.intent: one for one in routes}
        aliases = self._reading.peek("router_settings", "model_group_alias")
        for alias, target in (aliases if isinstance(aliases, dict) else {}).items():
            at = ("router_settings", "model_group_alias", alias)
            meant = target.get("model") if isinstance(target, dict) else target
            if isinstance(meant, str) and meant in known and alias not in known and self._reading.is_intent(alias):
                self._reading.take(*at, *(["model"] if isinstance(target, dict) else []))
                routes.append(known[meant].called(alias))
        return routes

    def _route(self, name: str, group: list[Deployment], fallbacks: dict[str, list[str]]) -> Route:
        primary = tuple(dict.fromkeys(one.model for one in group))
        behind = [one.model for other in fallbacks.get(name, ()) for one in self._groups[other]]
        if len(primary) > 1 and not any(one.ordered for one in group):
            self._reading.note(
                (*group[0].at, "model_name"),
                f"calls of {name} are not spread over its {len(primary)} models; they are tried in this order",
            )
        return Route(
            intent=name, primary=primary, fallback=tuple(dict.fromkeys(one for one in behind if one not in primary)),
            max_retries=self._whole("max_retries", group, ("num_retries", "max_retries"), _RETRIES),
            whole_answer=self._whole("whole_answer", group, ("timeout", "request_timeout"), _SECONDS),
            max_output_tokens=self._whole("max_output_tokens", group, ("max_tokens", "max_completion_tokens"), _TOKENS),
            cache_ttl=self._cache(), max_budget_daily=self._budget(group),
        )  # fmt: skip

    def _whole(self, ours: str, group: list[Deployment], names: tuple[str, ...], most: int) -> int | None:
        """Return a number that holds for a route: its first deployment's, else the router's, else the module's."""
        first, *others = group
        tried = [(*first.at, "litellm_params", name) for name in names]
        tried += [(section, name) for section in ("router_settings", "litellm_settings") for name in names]
        found: int | None = None
        for place in tried:
            value = number(self._reading.peek(*place))
            if value is None or value < 0:
                continue
            if found is None:
                found = int(min(value, Decimal(most)).to_integral_value(ROUND_CEILING))
                self._reading.take(*place)
                self._used.add(place)
                if found != value:
                    self._reading.note(place, f"it became {ours} {found}")
            else:
                self._passed[place] = ours
        for one in others:
            for name in names:
                if number(self._reading.peek(*one.at, "litellm_params", name)) == found:
                    self._reading.take(*one.at, "litellm_params", name)
        return found if ours == "max_retries" else found or None

    def _cache(self) -> int | None:
        at = ("litellm_settings",)
        if self._reading.peek(*at, "cache") is not True:
            if self._reading.peek(*at, "cache") is False:
                self._reading.take(*at, "cache")
            return None
        kind = self._reading.peek(*at, "cache_params", "type")
        ttl = number(self._reading.peek(*at, "cache_params", "ttl"))
        if isinstance(kind, str) and "semantic" in kind:
            return None
        self._reading.take(*at, "cache")
        if kind is not None and kind != "local":
            self._reading.note((*at, "cache_params", "type"), "answers are kept in the memory of each process")
        if ttl is None:
            self._reading.note((*at, "cache"), "no ttl is given; 3600 seconds are written")
            return 3600
        self._reading.take(*at, "cache_params", "ttl")
        found = int(max(Decimal(), min(ttl, Decimal(_LONGEST_TTL))))
        if found != ttl:
            self._reading.note((*at, "cache_params", "ttl"), f"it became cache_ttl {found}")
        return found

    def _budget(self, group: list[Deployment]) -> Decimal | None:
        if len(group) > 1:
            return None
        return _daily_cap(self._reading, (*group[0].at, "litellm_params"))

    def _fallbacks(self) -> dict[str, list[str]]:
        """Return for each group the groups behind it."""
        found: dict[str, list[str]] = {}
        for section in ("router_settings", "litellm_settings"):
            listed = self._reading.peek(section, "fallbacks")
            for at, one in enumerate(listed if isinstance(listed, list) else []):
                for name, behind in one.items() if isinstance(one, dict) else ():
                    kept = self._known((section, "fallbacks", at, name), behind)
                    if name in self._groups and kept and name not in found:
                        found[name] = kept
                    else:
                        self._reading.untake(section, "fallbacks", at, name)
            named = self._known((section, "default_fallbacks"), self._reading.peek(section, "default_fallbacks"))
            for name in self._groups if named else ():
                found.setdefault(name, [one for one in named if one != name])
        return found

    def _known(self, at: places, behind: Any) -> list[str]:
        """Return the groups of a list that there are, and take them as carried over."""
        kept = []
        for index, one in enumerate(behind if isinstance(behind, list) else []):
            if isinstance(one, str) and one in self._groups:
                kept.append(one)
                self._reading.take(*at, index)
        return kept
