"""Two gateways under load while their database fails over to its standby, and what callers and operators see of it.
Used by `test_failover.py` and by `bench/failover.py`."""

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cluster import Cluster, Load, cluster, whyledger
from environment import until
from replicas import Replicas, replicas

from ledger.entry import Entry, decode
from ledger.store.engine import open_engine
from ledger.store.reader import Reader

CALLERS = 8
UNNOTICED_SECONDS = 1.0
"""Between the end of the primary and the promotion: somebody must see it first. What was answered has arrived by then."""
WATCHED_SECONDS = 5.0
"""How long callers go on trying after the promotion."""
ACKNOWLEDGED = 100
"""Calls before anything happens, so that both gateways are at work."""


class Refusal(NamedTuple):
    """What one gateway answers: to a call, and to whoever asks whether it is ready."""

    status: int
    code: str | None
    retry: str | None
    ready: int


HALTED = Refusal(503, "ledger_halted", "false", 503)


@dataclass(frozen=True)
class Before:
    """What was there when the primary was dead and the standby not yet promoted."""

    acknowledged: int
    size: int
    """Entries on the standby."""
    head: bytes
    billed: int
    """Calls that the provider has got."""


@dataclass(frozen=True)
class Outcome:
    """What became of the calls."""

    before: int
    after: int
    """Acknowledged before and after the promotion."""
    lost: int
    statuses: "Counter[str]"


@dataclass(frozen=True)
class Halt:
    """What the gateways did on a database that had gone back."""

    outcome: Outcome
    answers: list[Refusal]
    """Of each gateway, in the end."""
    opened: int
    """Calls that were opened on the other history."""
    sent: int
    """Calls that went to the provider meanwhile."""
    head_kept: bool

    @property
    def right(self) -> bool:
        """Whether nothing was acknowledged, opened, sent or signed."""
        nothing = not (self.outcome.after or self.opened or self.sent)
        return nothing and self.head_kept and set(self.answers) == {HALTED}


@contextmanager
def failing_over(folder: Path, *, synchronous: bool) -> Iterator["Failover"]:
    """Start two servers of PostgreSQL and two gateways on them."""
    with replicas(synchronous=synchronous) as pair, cluster(folder, pair.environment(), cap="50") as on:
        ports = [on.start(wait=False) for _ in range(2)]
        for port in ports:
            on.until_ready(port)
        yield Failover(pair, on, ports)


@dataclass(frozen=True)
class Failover:
    """A failover that a test takes step by step."""

    pair: Replicas
    on: Cluster
    ports: list[int]

    def lose_primary(self, acknowledged: list[str]) -> Before:
        """Kill the primary; returns what is there when it is noticed. Nothing can be acknowledged from then on."""
        self.pair.primary.kill()
        time.sleep(UNNOTICED_SECONDS)
        ((size,),) = self.pair.standby.ask("SELECT size FROM head", "log")
        return Before(len(acknowledged), size, self.head(), self.on.bill()["calls"])

    def keep_going(self) -> tuple[Outcome, float]:
        """Fail over under load; returns what became of the calls, and after how many seconds they went on."""
        load = Load(self.on, self.ports)
        with load.running(CALLERS):
            until(lambda: len(load.acknowledged) >= ACKNOWLEDGED, "the gateways do not answer")
            time.sleep(2)
            before = self.lose_primary(load.acknowledged)
            self.pair.standby.promote()
            promoted = time.monotonic()
            until(lambda: len(load.acknowledged) > before.acknowledged, "calls do not go on")
            seconds = time.monotonic() - promoted
            time.sleep(WATCHED_SECONDS)
        return self.outcome(load, before), seconds

    def go_back(self, *, seconds_behind: float = 2.0) -> Halt:
        """Fail over under load to a standby that lacks the last seconds; returns what the gateways did then."""
        load = Load(self.on, self.ports)
        with load.running(CALLERS):
            until(lambda: len(load.acknowledged) >= ACKNOWLEDGED, "the gateways do not answer")
            self.pair.cut_standby_off()
            time.sleep(seconds_behind)
            before = self.lose_primary(load.acknowledged)
            self.pair.standby.promote()
            time.sleep(WATCHED_SECONDS)
        return self.halt(load, before)

    def go_back_behind_the_head(self) -> Halt:
        """Fail over to a standby that lacks one call of each gateway, which no signed head covers yet."""
        until(self.is_signed, "the head is not signed")
        self.pair.cut_standby_off()
        load = Load(self.on, self.ports)
        for port in self.ports:
            status, call, _ = self.on.call(port)
            assert (status, call) == (200, str(call))
            load.acknowledged.append(str(call))
        before = self.lose_primary(load.acknowledged)
        self.pair.standby.promote()
        time.sleep(WATCHED_SECONDS)
        return self.halt(load, before)

    def is_signed(self) -> bool:
        """Tell whether the signed head covers all entries."""
        return int(self.head().split(b"\n")[1]) == len(self.entries())

    def halt(self, load: Load, before: Before) -> Halt:
        """Look at the gateways after the promotion."""
        answers = [self.refusal(port) for port in self.ports]
        opened = [entry for entry in self.entries(before.size) if entry.kind == "call.opened"]
        sent = self.on.bill()["calls"] - before.billed
        return Halt(self.outcome(load, before), answers, len(opened), sent, self.head() == before.head)

    def outcome(self, load: Load, before: Before) -> Outcome:
        closed = {entry.call for entry in self.entries() if entry.kind == "call.closed"}
        lost = len(set(load.acknowledged) - closed)
        after = len(load.acknowledged) - before.acknowledged
        return Outcome(before.acknowledged, after, lost, load.statuses)

    def entries(self, low: int = 0) -> list[Entry]:
        """Read the entries from `low` on without opening the installation: that would check and sign its head."""
        engine = open_engine(self.on.settings.log_database)
        try:
            reader = Reader(engine)
            return [decode(data) for data in reader.raw(low, reader.head().size)]
        finally:
            engine.dispose()

    def head(self) -> bytes:
        """Return the signed head that is kept outside the database."""
        return self.on.settings.head_file.read_bytes()

    def refusal(self, port: int) -> Refusal:
        """Ask one gateway for a call and whether it is ready."""
        body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 30}
        headers = {"authorization": f"Bearer {self.on.keys['agent']}"}
        status, retry, said = asked(port, "POST", "/v1/chat/completions", json.dumps(body), headers)
        ready, _, _ = asked(port, "GET", "/readyz")
        return Refusal(status, said.get("error", {}).get("code"), retry, ready)

    def recover(self) -> float:
        """Declare the gap as a named person; returns after how many seconds both gateways answer calls again."""
        said = whyledger(self.on, "recover", "--as", "ada", "--reason", "the primary died; the standby was behind")
        assert said.returncode == 0, said.stdout + said.stderr
        declared = time.monotonic()
        for port in self.ports:
            until(lambda port=port: self.on.call(port)[0] == 200, "calls do not go on", seconds=30)
        return time.monotonic() - declared

    def live_on(self) -> bool:
        """Tell whether the processes are those that were started."""
        return all(self.on.servers[port].poll() is None for port in self.ports)


def asked(port: int, method: str, path: str, *sent: Any) -> tuple[int, str | None, dict[str, Any]]:
    """Return status, `x-should-retry` and body of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, *sent)
        response = connection.getresponse()
        return response.status, response.headers.get("x-should-retry"), json.loads(response.read())
