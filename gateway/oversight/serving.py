"""What of a configuration can be served, said before a caller finds out: the words that `serve` would refuse with."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from gateway.configuration.model import Configuration, Route
from gateway.credentials import Credentials, all_places
from gateway.dialects.openai_others import EMBEDDINGS
from gateway.pricing.prices import PriceList
from gateway.rules.route import LOCAL
from gateway.rules.targets import Caller, targets_of


class Finding(NamedTuple):
    """What is the matter with a route."""

    wrong: bool
    """The text of the configuration mends it; else only this machine lacks something, such as a key."""
    dead: bool
    """Nothing serves the route; else another target does."""
    text: str


def findings(configuration: Configuration, prices: PriceList, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what keeps routes or models of them from being served.

    Args:
        environment: where keys of providers may stand.
    """
    if not configuration.routes:
        direct = any(one.direct_route for one in configuration.environments.values())
        yield Finding(not direct, True, "there is no route: no call can be served by an intent")
    credentials, providers = Credentials(environment), configuration.providers
    usable, every = credentials.usable(providers), all_places(providers)
    for route in configuration.routes:
        # With every key there is: what is wrong then is wrong in the file, whatever this machine lacks beside it.
        possible, wrong = targets_of(route.every_model, configuration, prices, every)
        targets, rejected = targets_of(route.every_model, configuration, prices, usable)
        misspelt = {model for model, _ in wrong}
        for model, reason in wrong:
            yield Finding(True, False, f"route {route.intent}: {model}: {reason}{_near(model, configuration)}")
        for model, reason in rejected:
            if model not in misspelt:
                yield Finding(False, False, f"route {route.intent}: {model}: {reason}")
        if route.similar and (missing := _similarity_missing(local=route.similar.embedding == LOCAL)):
            yield Finding(False, False, f"route {route.intent}: no answer to a similar question is found: {missing}")
        for model, reason, missing_key in _unfit(route, configuration, prices, usable, every):
            text = f"route {route.intent}: no answer to a similar question is found: {model}: {reason}"
            yield Finding(not missing_key, False, text + ("" if missing_key else _near(model, configuration)))
        if not targets:
            yield Finding(not possible, True, f"route {route.intent} can serve nothing as things are")


def _near(model: str, configuration: Configuration) -> str:
    """Name what a model may have been meant to be."""
    known = [*configuration.aliases, *(one for other in configuration.routes for one in other.models if one != model)]
    close = difflib.get_close_matches(model, known, 1, cutoff=0.8)
    return f" (did you mean {close[0]}?)" if close else ""


def _unfit(
    route: Route, configuration: Configuration, prices: PriceList, usable: Collection[str], every: Collection[str]
) -> Iterator[tuple[str, str, bool]]:
    """Yield the model that cannot embed the questions of a route, why, and whether only its key is missing."""
    if route.similar is None or route.similar.embedding == LOCAL:
        return
    models, caller = (route.similar.embedding,), Caller(dialect=EMBEDDINGS.name)
    _, wrong = targets_of(models, configuration, prices, every, caller)
    _, rejected = targets_of(models, configuration, prices, usable, caller)
    for model, reason in rejected:
        yield model, reason, not wrong


def _similarity_missing(*, local: bool) -> str:
    """Return what is missing of the extra `similarity`; empty where nothing is."""
    from classifiers.similarity.extra import ExtraMissing, library
    from classifiers.similarity.minilm import WeightsRefused, installed

    try:
        library("numpy")
        if local:
            library("tokenizers")
            installed()
    except (ExtraMissing, WeightsRefused) as error:
        return str(error)
    return ""
