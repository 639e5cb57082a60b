"""The pipeline's ports over the ledger: keys, evidence, contents, rules in force."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.call import Principal
from gateway.configuration.load import load
from gateway.credentials import CredentialProblem, Credentials
from gateway.errors import NoCredential, Refused, UpstreamUnreached
from gateway.minimisation.keeping import Keeping
from gateway.policies.evaluating import prepare
from gateway.pricing.money import Rate
from gateway.pricing.prices import PriceList
from gateway.prompts import Prompt, PromptBook, PromptVersion
from gateway.rules.snapshot import Rules
from gateway.settings import Settings
from gateway.state.rows import CONTROL, approval_row, control_of, release_of, task_row
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from gateway.upstream.network import Endpoint, Network, network_of
from ledger.entry import Sealed
from ledger.errors import LedgerUnavailable
from ledger.log import Handed, Log
from ledger.store.engine import told
from ledger.store.reader import Reader
from ledger.store.vault import LEDGER_KEY, SubjectKey, Vault, token_digest
from ledger.unit import Unit

REFUSALS_A_MINUTE = 10


class RulesInForce:
    """The newest rules, read from the control row when its generation moves."""

    def __init__(self, reader: Reader, vault: Vault, settings: Settings) -> None:
        self._reader, self._vault = reader, vault
        self._environment = settings.environment
        self._credentials = Credentials(settings.environment)
        self._now: Rules | None = None
        self.networks: dict[str, Network] = {}

    @property
    def are_read(self) -> bool:
        """Whether a configuration is active."""
        return self._now is not None

    @property
    def now(self) -> Rules:
        if self._now is None:
            raise Refused(
                "not_configured",
                "no configuration is active: whyledger config activate FILE --as PERSON --reason TEXT",
                stage=3,
            )
        return self._now

    async def refresh(self) -> None:
        await asyncio.to_thread(self.read)

    def read(self) -> None:
        """Read the control row; build new rules only when it moved."""
        with told():
            self._read()

    def _read(self) -> None:
        control = control_of({CONTROL: self._reader.state(CONTROL)})
        if control["config"] is None or (self._now and self._now.generation == control["generation"]):
            return
        workflows = {key.removeprefix("workflow:"): row for key, row in self._reader.states("workflow:").items()}
        if self._now and self._now.config_digest == control["config"]:
            configuration, prices = self._now.configuration, self._now.prices
        else:
            configuration = load(self._vault.text(control["config"]) or "")
            prices = PriceList.parse(self._vault.text(control["prices"]) or "{}")
        providers = configuration.providers.items()
        self.networks = {name: network_of(provider, self._environment) for name, provider in providers}
        if any(one.needs_general for one in self.networks.values()):
            import gateway.upstream.general  # noqa: F401 - so that no call waits for it
        prepare(configuration.policies)
        fx = configuration.fx
        usable = self._credentials.usable(configuration.providers)
        self._now = Rules(
            generation=control["generation"],
            configuration=configuration,
            config_digest=control["config"],
            prices_digest=control["prices"],
            prices=prices,
            rate=Rate.from_usd_per_eur(fx.usd_per_eur, fx.date, fx.source),
            stops=control["stops"],
            registered=frozenset(workflows),
            versions={name: row["version"] for name, row in workflows.items() if row.get("version")},
            released={name: release_of(row) for name, row in workflows.items()},
            usable=usable,
            task_pseudonym=lambda task: self._vault.pseudonym("task", task),
            prompts=self._prompts(),
            prompts_since=control.get("prompts"),
        )

    def _prompts(self) -> PromptBook:
        """Read the registered prompts; a text that was read before is not read again."""
        before = self._now.prompts.prompts.values() if self._now else ()
        known = {one.digest: one.text for prompt in before for one in prompt.versions}
        return PromptBook(
            {
                row.removeprefix("prompt:"): Prompt(
                    tuple(
                        PromptVersion(number, digest, known.get(digest) or self._vault.text(digest) or "")
                        for number, digest in enumerate(found["versions"], start=1)
                    ),
                    found["promoted"],
                )
                for row, found in self._reader.states("prompt:").items()
            }
        )

    def endpoint(self, provider: str, environment: str) -> Endpoint:
        """Return where a provider is and what it is shown, as things are now.

        Raises:
            NoCredential: its key is not usable; UpstreamUnreached: the configuration does not have it any more.
        """
        entry = self.now.configuration.providers.get(provider)
        if entry is None:
            raise UpstreamUnreached("the active configuration does not have it any more")
        try:
            credential = self._credentials.logged(provider, entry.key_of(environment))
            return Endpoint(entry.base_url.rstrip("/"), credential, self.networks[provider], entry.key_header)
        except CredentialProblem as problem:
            raise NoCredential(problem.for_callers) from problem

    def credential_problems(self) -> dict[str, str]:
        """Return what is wrong with keys that should be there, by provider."""
        found: dict[str, str] = {}
        for place in sorted(self._now.usable) if self._now else ():
            name, _, environment = place.partition("/")
            try:
                self._credentials.of(name, self.now.configuration.providers[name].key_of(environment))
            except CredentialProblem as problem:
                found[name] = str(problem)
        return found


@dataclass(slots=True)
class UnknownKeys:
    """Counts tries with unknown keys; one entry a minute tells how many there were."""

    count: int = 0

    def take(self) -> int:
        count, self.count = self.count, 0
        return count


class KeysFromLedger:
    """Looks keys up by the full digest of the token, and their standing in the state rows."""

    def __init__(self, reader: Reader, vault: Vault, rules: RulesInForce, unknown: UnknownKeys) -> None:
        self._reader, self._vault, self._rules, self._unknown = reader, vault, rules, unknown
        self._known: dict[str, tuple[int, Principal]] = {}

    async def principal_of(self, secret: str | None) -> Principal:
        if not secret:
            self._unknown.count += 1
            raise Refused("unknown_key", "send a gateway key as `Authorization: Bearer ...`", stage=2)
        generation = self._rules.now.generation
        digest = token_digest(secret)
        kept = self._known.get(digest)
        if kept and kept[0] == generation:
            return kept[1]
        principal = await asyncio.to_thread(self._look_up, secret)
        if principal is None:
            self._unknown.count += 1
            raise Refused("unknown_key", "this gateway key is not known here; ask an engineer for one", stage=2)
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[digest] = (generation, principal)
        return principal

    def _look_up(self, secret: str) -> Principal | None:
        with told():
            owner = self._vault.owner_of(secret)
            row = self._reader.state(f"key:{owner}") if owner else None
        if owner is None or row is None:
            return None
        return Principal(
            key=owner,
            environment=row["environment"],
            workflow=row["workflow"],
            status=row["status"],
            cap=row.get("cap"),
        )


class TasksInLedger:
    """Reads what came before in a task."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def had_data(self, workflow: str | None, task: str) -> bool:
        return await asyncio.to_thread(self._had_data, workflow, task)

    def _had_data(self, workflow: str | None, task: str) -> bool:
        with told():
            name = self._installation.vault.pseudonym("task", task)
            return bool((self._installation.reader.state(task_row(workflow, name)) or {}).get("data"))


class ApprovalsInLedger:
    """Reads how approvals stand, and opens the answers that wait."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def row(self, approval: str) -> Mapping[str, Any] | None:
        return await asyncio.to_thread(self._row, approval)

    def _row(self, approval: str) -> Mapping[str, Any] | None:
        with told():
            found: Mapping[str, Any] | None = self._installation.reader.state(approval_row(approval))
            return found

    async def answer(self, call: str) -> str | None:
        return await asyncio.to_thread(self._answer, call)

    def _answer(self, call: str) -> str | None:
        with told():
            evidence = LiveEvidence(self._installation)
            closed = next((one for one in evidence.find("call", call) if one.kind == "call.closed"), None)
            kept = evidence.content(closed, "answer") if closed and "answer" in closed.c else None
            return str(kept.value) if kept and kept.missing is None else None

    async def people(self, names: Sequence[str]) -> list[str]:
        return await asyncio.to_thread(self._people, names) if names else []

    def _people(self, names: Sequence[str]) -> list[str]:
        with told():
            found = [self._installation.vault.find_subject("person", name) for name in names]
            return [one.pseudonym for one in found if one]


@dataclass(slots=True)
class EvidenceInLedger:
    """Hands units to the writer; bounds what a revoked key can make it write."""

    log: Log
    _unsettled: deque[Unit] = field(default_factory=deque)
    _refusals: dict[str, deque[float]] = field(default_factory=dict)

    def submit(self, unit: Unit) -> Handed:
        return self.log.hand_over(unit)

    def close(self, unit: Unit) -> Handed:
        def owe(error: Exception) -> None:
            if isinstance(error, LedgerUnavailable):  # one that the log cannot take never succeeds
                self._unsettled.append(unit)

        return self.log.hand_over(unit, failed=owe)

    def settle_owed(self) -> int:
        """Hand over again the ends that could not be committed; returns how many there were."""
        owed = [self._unsettled.popleft() for _ in range(len(self._unsettled))]
        for unit in owed:
            self.close(unit)
        return len(owed)

    def may_record_refusal_of(self, key: str) -> bool:
        now = time.monotonic()
        recent = self._refusals.setdefault(key, deque())
        while recent and recent[0] < now - 60:
            recent.popleft()
        if len(recent) >= REFUSALS_A_MINUTE:
            return False
        recent.append(now)
        return True


class SealedContents:
    """Seals contents under the key of the person they are about, or the ledger's."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def subject(self, identifier: str) -> tuple[str, str]:
        found = await asyncio.to_thread(self._subject, identifier)
        return found.ref, found.pseudonym

    def _subject(self, identifier: str) -> SubjectKey:
        with told():
            return self._vault.subject("subject", identifier)

    def pseudonym(self, kind: str, identifier: str) -> str:
        return self._vault.pseudonym(kind, identifier)

    def seal(
        self, values: Mapping[str, object], *, entry_id: str, key_ref: str | None, keeping: Keeping | None
    ) -> tuple[dict[str, str], Sealed]:
        kept = keeping.values(values) if keeping else values
        with told():
            return self._vault.seal(kept, entry_id=entry_id, key_ref=key_ref or LEDGER_KEY)
