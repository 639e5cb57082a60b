"""The composition root: opens the installation, fills the ports, runs the timers, serves.

the paths of places.py   the hot route, raw ASGI
everything else          FastAPI: the own API, the pages, the API docs
"""

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.alerting.delivery import Delivery
from gateway.alerting.incidents import IncidentWatch
from gateway.alerting.watch import Watch
from gateway.caches.memory import MemoryCache
from gateway.caches.similar import SimilarAnswers, local
from gateway.configuration.model import Configuration
from gateway.console.packs import Packs
from gateway.errors import Refused
from gateway.evaluation.worker import Evaluating
from gateway.halting import Halting
from gateway.logs import said
from gateway.minimisation.minimiser import Minimiser
from gateway.minimisation.proof import prove
from gateway.oversight.approving import Deadlines
from gateway.oversight.contradictions import Lookout
from gateway.oversight.reexamining import reexamine
from gateway.pipeline.ports import Ports
from gateway.schedule import Schedule
from gateway.settings import Settings
from gateway.store import lifecycle
from gateway.store.dictionaries import Dictionaries
from gateway.store.installation import Installation, opened
from gateway.store.ports import (
    ApprovalsInLedger,
    EvidenceInLedger,
    KeysFromLedger,
    RulesInForce,
    SealedContents,
    TasksInLedger,
    UnknownKeys,
)
from gateway.upstream.client import HttpUpstream
from gateway.web import (
    api,
    approvals,
    console,
    economics,
    evaluation,
    incidents,
    lists,
    openai,
    packs,
    pages,
    reference,
    scorecard,
)
from gateway.web.calls import Calls
from gateway.web.limits import BoundedBody
from gateway.web.metrics import Metrics
from gateway.web.openapi import document_hot_routes
from gateway.web.places import place_of
from gateway.web.prefix import Prefix
from ledger.entry import b64
from ledger.errors import LedgerError, LedgerUnavailable, LogWentBack
from ledger.ids import new_id

IDLE_TICKS = 3
POLL_SECONDS = 0.5
CHECKPOINT_SECONDS = 1.0
UNKNOWN_KEYS_SECONDS = 60.0
LOOK_SECONDS = 60.0
EVALUATE_SECONDS = 2.0
DELIVER_SECONDS = 5.0

log = structlog.get_logger()
Timer = tuple[float, Callable[[], Awaitable[None]]]


class Gateway:
    """The ASGI application of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.installation: Installation | None = None
        self.ports: Ports | None = None
        self.halt: Callable[[], None] = lambda: None
        """Ends the process; set by whoever runs it. Called when this process may open no more calls."""
        self.lease_lost = False
        self.refused: LedgerError | None = None
        """Why the ledger refused the start or the end, if it did."""
        self.failed = False
        """The start or the end failed for a reason that nobody expected, and that is logged."""
        self._prefix = Prefix(settings.root_path) if settings.root_path else None
        self._packs = Packs(settings.home / "packs")
        self._calls = Calls(self._filled_ports, self.metrics)
        self._rest = FastAPI(
            title="WhyLedger",
            version=version("whyledger"),
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
            servers=[{"url": settings.root_path}] if settings.root_path else None,
        )
        self._rest.include_router(api.router(lambda: self.running, self._filled_ports, lambda: not self.lease_lost))
        self._rest.include_router(openai.router(self._filled_ports))
        self._rest.include_router(economics.router(lambda: self.running))
        self._rest.include_router(scorecard.router(lambda: self.running))
        self._rest.include_router(evaluation.router(lambda: self.running))
        self._rest.include_router(approvals.router(lambda: self.running))
        self._rest.include_router(incidents.router(lambda: self.running))
        self._rest.include_router(lists.router(lambda: self.running))
        self._rest.include_router(pages.router(lambda: self.running))
        self._rest.include_router(console.router(lambda: self.running))
        self._rest.include_router(packs.router(lambda: self.running, self._packs))
        self._rest.include_router(reference.router(lambda: self._rest.openapi()))
        self._rest.add_exception_handler(pages.SignInNeeded, lambda _, error: pages.sign_in(error.after))
        api.install_problems(self._rest)
        document_hot_routes(self._rest)
        self._rest.add_middleware(BoundedBody)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix is not None and scope["type"] == "http":
            send = self._prefix.applied(scope, send)
        place = place_of(scope["path"], scope["query_string"]) if scope["type"] == "http" else None
        if place is None:
            await self._rest(scope, receive, send)
        else:
            await self._calls.answer(place, scope, receive, send)

    @property
    def running(self) -> Installation:
        if self.installation is None:
            raise RuntimeError("the gateway has not started")
        return self.installation

    def rules_in_words(self) -> str:
        """Say which configuration is in force, and which of its providers cannot be used."""
        try:
            rules = self._filled_ports().rules.now
        except Refused as refusal:
            return refusal.message
        idle = sorted(set(rules.configuration.providers) - rules.usable)
        off = f"; without a key: {', '.join(idle)}" if idle else ""
        return f"configuration {rules.config_digest[:12]}, providers {', '.join(sorted(rules.usable)) or 'none'}{off}"

    def _filled_ports(self) -> Ports:
        if self.ports is None:
            raise RuntimeError("the gateway has not started")
        return self.ports

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        try:
            async with self._serving():
                yield
        except LedgerError as error:
            self.refused = error
            if self.ports is not None:
                log.critical("the ledger could not be closed in order", reason=str(error))
            raise
        except Exception:
            self.failed = True
            log.critical("the gateway did not start, or did not end in order", exc_info=True)
            raise

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        with opened(self.settings) as installation:
            self.installation = installation
            rules = RulesInForce(installation.reader, installation.vault, self.settings)
            rules.read()
            for problem in rules.credential_problems().values():
                log.error("a provider cannot be used", reason=problem)
            boot, build, unknown = new_id("boot", installation.clock()), build_digest(), UnknownKeys()
            installation.log.append(lifecycle.start_unit(boot, build, version("whyledger")))
            _sweep(installation, build, boot)
            for line in reexamine(installation):
                log.warning("the law data have changed", workflow=line)
            minimiser = Minimiser(Dictionaries(self.settings.dictionaries))
            with contextlib.suppress(Refused):  # it is logged, and /readyz and calls say so
                prove(minimiser)
            evidence = EvidenceInLedger(installation.log)
            upstream = HttpUpstream(rules.endpoint)
            self.ports = Ports(
                keys=KeysFromLedger(installation.reader, installation.vault, rules, unknown),
                evidence=evidence,
                contents=SealedContents(installation.vault),
                upstream=upstream,
                cache=MemoryCache(),
                similar=SimilarAnswers(local),
                clock=installation.clock,
                boot=boot,
                build=build,
                rules=rules,
                minimiser=minimiser,
                approvals=ApprovalsInLedger(installation),
                tasks=TasksInLedger(installation),
            )
            installation.log.work_in(asyncio.get_running_loop())
            timers = self._timers(installation, rules, evidence, boot, build, unknown)
            try:
                yield
            finally:
                for timer in timers:
                    timer.cancel()
                await asyncio.gather(*timers, return_exceptions=True)
                await upstream.close()
                installation.log.work_in(None)
                evidence.settle_owed()
                _record_end(installation, unknown, boot, build)

    def _timers(
        self,
        installation: Installation,
        rules: RulesInForce,
        evidence: EvidenceInLedger,
        boot: str,
        build: str,
        unknown: UnknownKeys,
    ) -> list["asyncio.Task[None]"]:
        halting = Halting(installation)
        ticks = itertools.count()

        async def renew() -> None:
            # Without calls there is nothing that another process could take for interrupted: a lease that has two
            # ticks left is long enough, and each renewal is a write.
            if self._calls.is_busy or halting.was_halted or next(ticks) % IDLE_TICKS == 0:
                await self._renew(installation, boot, halting)
            if not halting.halted:
                evidence.settle_owed()
                await asyncio.to_thread(_sweep, installation, build, boot)

        async def refresh() -> None:
            self._calls.hurry()
            await rules.refresh()
            self._calls.enforce_stops()

        async def count() -> None:
            if not halting.halted:
                await asyncio.to_thread(_record_unknown_keys, installation, unknown, boot, build)

        every = (
            (lifecycle.RENEW_SECONDS, renew),
            (POLL_SECONDS, refresh),
            (CHECKPOINT_SECONDS, halting.sign),
            (UNKNOWN_KEYS_SECONDS, count),
            *self._beside(installation, rules, halting),
        )
        return [asyncio.create_task(_repeat(seconds, action)) for seconds, action in every]

    def _beside(self, installation: Installation, rules: RulesInForce, halting: Halting) -> list[Timer]:
        """Return what goes on beside the calls, each with its seconds."""
        lookout = Lookout(installation)

        async def contradicted() -> None:
            if not halting.halted:
                for line in await asyncio.to_thread(lookout.look):
                    log.warning("traffic contradicts what was declared", workflow=line)

        def ready() -> bool:
            """What goes by the configuration waits for the first one."""
            return not halting.halted and rules.are_read

        def by_rules(look: Callable[[Configuration], object]) -> Callable[[], Awaitable[None]]:
            async def looked() -> None:
                if ready():
                    await asyncio.to_thread(look, rules.now.configuration)

            return looked

        evaluating = Evaluating(installation, self._filled_ports())

        async def evaluated() -> None:
            if ready():
                try:
                    await evaluating.look(rules.now.configuration)
                finally:
                    if rules.now.configuration.evaluation.evaluators:
                        self.metrics.backlog.set(await asyncio.to_thread(evaluating.backlog))

        return [
            (LOOK_SECONDS, contradicted), (LOOK_SECONDS, by_rules(Schedule(installation, self._packs).look)),
            (LOOK_SECONDS, by_rules(Watch(installation).look)), (EVALUATE_SECONDS, evaluated),
            (EVALUATE_SECONDS, by_rules(IncidentWatch(installation).look)),
            (DELIVER_SECONDS, by_rules(Delivery(installation).look)),
            (DELIVER_SECONDS, by_rules(Deadlines(installation).look)),
        ]  # fmt: skip

    async def _renew(self, installation: Installation, boot: str, halting: Halting) -> None:
        """Renew the lease of this process; without one it ends."""
        try:
            written = await installation.log.hand_over(lifecycle.renew_unit(boot, revive=halting.was_halted))
        except LogWentBack as error:
            halting.heard(error)
            return
        halting.over()
        if not written.answer:
            self.lease_lost = True
            log.critical(
                "another process held this one for dead and closed its calls: it opens no more calls and ends; "
                "start it again"
            )
            self.halt()


async def _repeat(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Run `action` every `seconds`; one that fails is logged and tried again, never given up silently."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except Exception as error:  # noqa: BLE001 - a timer that dies silently would be worse
            with contextlib.suppress(OSError):  # the disk that fails the timer may be the one that takes the logs
                log.error(
                    "a timer failed and will run again", action=getattr(action, "__name__", ""), error=said(error)
                )


def _sweep(installation: Installation, build: str, boot: str) -> None:
    if unit := lifecycle.sweep_unit(installation.reader, build, boot):
        written = installation.log.append(unit)
        if written.answer:
            log.warning("interrupted calls closed at worst case", calls=written.answer)


def _record_end(installation: Installation, unknown: UnknownKeys, boot: str, build: str) -> None:
    """Record that the process stops; where the ledger cannot take it, the next process closes what is open."""
    try:
        _record_unknown_keys(installation, unknown, boot, build)
        installation.log.append(lifecycle.stop_unit(boot, build))
        _sweep(installation, build, boot)
    except LedgerUnavailable as error:
        log.error("the stop is not on record; the next process closes what is open at worst case", reason=str(error))


def _record_unknown_keys(installation: Installation, unknown: UnknownKeys, boot: str, build: str) -> None:
    if count := unknown.take():
        installation.log.append(lifecycle.unknown_keys_unit(count, boot, build))


def build_digest() -> str:
    """Return the digest of the source files that run: which build made an entry."""
    total = hashlib.sha256()
    root = Path(__file__).parent.parent
    for package in ("classifiers", "gateway", "ledger", "reports"):
        for path in sorted((root / package).rglob("*.py")):
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return b64(total.digest())


def admin_app(gateway: Gateway) -> ASGIApp:
    """The admin address: /healthz says that the process runs, /metrics what it did."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        healthy = b"" if gateway.lease_lost else b"ok\n"
        found = {"/healthz": healthy, "/metrics": gateway.metrics.exposition()}.get(scope["path"])
        status = 200 if found else 404 if found is None else 503
        headers = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
        with contextlib.suppress(OSError):
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": found or b"not found\n"})

    return app
