"""What `doctor` looks at."""

from collections.abc import Iterator

from gateway.errors import UpstreamUnreached
from gateway.oversight.serving import findings
from gateway.settings import Settings
from gateway.store.installation import Installation, is_made, opened
from gateway.store.ports import RulesInForce
from gateway.upstream.network import context_of, in_words
from ledger.amounts import counted
from ledger.errors import LedgerError
from ledger.store.engine import durability, synchronous_standbys
from reports.pack.fonts import fonts_said
from reports.pack.pdf import PdfUnavailable, require_renderer


def checkup(settings: Settings) -> Iterator[tuple[bool, str]]:
    """Yield (good, what to know or do)."""
    if not is_made(settings):
        yield False, f"no installation in {settings.home}: whyledger init --origin NAME"
        return
    try:
        with opened(settings) as installation:
            yield True, f"log {installation.origin}, {installation.reader.head().size} entries, head consistent"
            settled = ", ".join(f"{name}={value}" for name, value in durability(installation.engine).items())
            yield True, f"commits wait for the disk ({settled})"
            yield from _standby(installation)
            rules = RulesInForce(installation.reader, installation.vault, settings)
            rules.read()
            if installation.reader.state("control") is None:
                yield False, "no configuration is active: whyledger config activate FILE --as PERSON --reason TEXT"
            else:
                yield from _providers(rules, settings)
    except LedgerError as error:
        yield False, str(error)
    try:
        require_renderer()
        yield True, "PDF packs can be rendered"
        yield fonts_said()
    except PdfUnavailable as error:
        yield False, str(error)


def _standby(installation: Installation) -> Iterator[tuple[bool, str]]:
    """Say whether a failover of PostgreSQL can lose what was acknowledged."""
    names = synchronous_standbys(installation.engine)
    if names is not None:
        lost = "no standby is synchronous: a failover can lose acknowledged calls, and halts the gateways until a "
        lost += "person declares it. Set synchronous_standby_names (docs/guides/operate.md)"
        yield bool(names), f"commits wait for a standby ({names})" if names else lost


def _providers(rules: RulesInForce, settings: Settings) -> Iterator[tuple[bool, str]]:
    now = rules.now
    yield True, f"configuration {now.config_digest[:12]} is active, {counted(len(now.configuration.routes), 'route')}"
    problems = rules.credential_problems()
    keyed = sorted(now.usable - problems.keys())
    yield bool(keyed), f"providers with a key: {', '.join(keyed) or 'none; set one in the environment'}"
    yield from ((False, problem) for problem in problems.values())
    for name, network in rules.networks.items():
        try:
            context_of(network)
            if way := in_words(network):
                yield True, f"provider {name} is called {way}"
        except UpstreamUnreached as error:
            yield False, f"provider {name}: {error}"
    for one in findings(now.configuration, now.prices, settings.environment):
        yield not (one.wrong or one.dead), one.text
    for name, environment in now.configuration.environments.items():
        yield True, f"{name}: at most EUR {environment.max_budget_daily:.2f} a day"
