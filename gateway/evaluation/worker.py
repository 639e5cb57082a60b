"""Follows the log and scores what the sample asks for: beside the calls, one entry at a time, never twice.

Where it stands is a row that moves in the transaction that records the scores, so a process that is killed loses none
and doubles none; at worst a judge is asked again. A judge that cannot be asked holds it up: the backlog is the log
itself, its length is shown, and what has waited for a day is recorded as unscored.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from gateway.call import Arrival
from gateway.configuration.evaluation import Evaluation, Evaluator
from gateway.configuration.model import Configuration
from gateway.configuration.releases import served_models
from gateway.credentials import CredentialProblem, Credentials
from gateway.days import day_in_zone
from gateway.errors import GatewayError, Refused
from gateway.evaluation.alerts import alerts_of, cusum_row, subject_of
from gateway.evaluation.evaluators import Case, Score, called_tools, count
from gateway.evaluation.judging import question_of, series_of, verdict_of
from gateway.evaluation.sampling import ELIGIBLE, Chosen, chosen, components_of
from gateway.minimisation.replacing import Minimised, replacing
from gateway.pipeline.ports import Ports
from gateway.pipeline.run import authenticate, handle_call
from gateway.policies.evaluating import applying
from gateway.pricing.money import nano_eur
from gateway.state.changes import changes_of_all
from gateway.state.outcomes import definition_digest
from gateway.state.rows import CONTROL, CURSOR, alert_row, control_of, quality_row, task_row
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Draft, Entry, decode, parse_time
from ledger.ids import new_id
from ledger.unit import State, Step, Unit
from reports.why.transcript import asked, said, tools_before

log = structlog.get_logger()
AT_ONCE = 500
"""Entries that one look reads."""
GIVE_UP = timedelta(hours=24)
FIRST_SECONDS, LONGEST_SECONDS = 4.0, 300.0
"""How long a judge that could not be asked is left alone, at first and at most."""


class JudgeUnavailable(Exception):
    """The judge could not be asked now."""


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluator for one call."""

    evaluator: Evaluator
    chosen: Chosen
    series: str


class Evaluating:
    """The worker of one process; it works while this process is the one that signs."""

    def __init__(self, installation: Installation, ports: Ports) -> None:
        self._installation, self._ports = installation, ports
        self._credentials = Credentials(installation.settings.environment)
        self._failed, self._not_before = 0, 0.0
        """How often in a row a judge could not be asked, and until when it is left alone: each try is two entries."""

    def backlog(self) -> int:
        """Return how many entries wait to be looked at."""
        row = self._installation.reader.state(CURSOR)
        return self._installation.reader.head().size - row["next"] if row else 0

    async def look(self, configuration: Configuration) -> int:
        """Score what is due among the next entries; returns how many calls were scored."""
        evaluation = configuration.evaluation
        if not evaluation.enabled or not evaluation.evaluators or time.monotonic() < self._not_before:
            return 0
        low, high = await asyncio.to_thread(self._range)
        if low is None:
            await self._move(None, high, [])
            return 0
        scored = 0
        for entry, jobs in await asyncio.to_thread(self._due, low, high, configuration):
            try:
                drafts = [await self._scored(entry, job, configuration) for job in jobs]
            except JudgeUnavailable as error:
                self._failed += 1
                wait = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(self._failed - 1, 10))
                self._not_before = time.monotonic() + wait
                log.warning("a judge cannot be asked", reason=str(error), tried_again_in_seconds=wait)
                return scored
            self._failed = 0
            if not await self._move(low, entry.seq + 1, drafts):
                return scored  # another process went on from here
            low, scored = entry.seq + 1, scored + 1
        await self._move(low, high, [])
        return scored

    def _range(self) -> tuple[int | None, int]:
        """Return the entries that are looked at next: nothing for a process that does not sign."""
        size, row = self._installation.reader.head().size, self._installation.reader.state(CURSOR)
        if not self._installation.checkpointer.has_turn():
            return size, size
        if row is None:  # from where this configuration took effect; what was before is history
            return None, self._installation.reader.find("config", self._ports.rules.now.config_digest)[-1] + 1
        return int(row["next"]), min(int(row["next"]) + AT_ONCE, size)

    def _due(self, low: int, high: int, configuration: Configuration) -> list[tuple[Entry, list[Job]]]:
        entries = [decode(data) for data in self._installation.reader.raw(low, high)]
        found = [(entry, self._jobs(entry, configuration)) for entry in entries]
        return [(entry, jobs) for entry, jobs in found if jobs]

    def _jobs(self, entry: Entry, configuration: Configuration) -> list[Job]:
        if entry.kind == "override.recorded":
            return self._overridden(entry, configuration)
        if entry.kind != "call.closed" or not _is_eligible(entry, configuration.evaluation):
            return []
        return _jobs_of(entry, configuration)

    def _overridden(self, entry: Entry, configuration: Configuration) -> list[Job]:
        """A call that a person set right is scored, unless it was in the sample before."""
        found = LiveEvidence(self._installation).find("call", entry.call or "")
        closed = next((one for one in found if one.kind == "call.closed"), None)
        first = next(one for one in found if one.kind == "override.recorded")
        if closed is None or first.seq != entry.seq or not _is_eligible(closed, configuration.evaluation):
            return []
        before = {job.evaluator.name for job in _jobs_of(closed, configuration)}
        return [
            Job(one, Chosen(False, "overridden", 1_000_000), _series(one, configuration))
            for one in configuration.evaluation.evaluators
            if one.workflow == closed.workflow
            and one.name not in before
            and one.component in components_of(closed.facts)[0]
        ]

    async def _scored(self, entry: Entry, job: Job, configuration: Configuration) -> Draft:
        closed, case = await asyncio.to_thread(self._opened, str(entry.call))
        judge_call = None
        if case is None:
            score = Score("unscored", "prompt and answer of the call are not kept, or cannot be opened")
        elif job.evaluator.kind == "judge":
            score, judge_call = await self._judged(entry, closed, job, case, configuration.evaluation)
        else:
            score = await asyncio.to_thread(count, job.evaluator, case)
        day = day_in_zone(configuration.organisation.time_zone, parse_time(closed.at))
        return await asyncio.to_thread(self._draft, closed, job, score, judge_call, policy_of(configuration), day)

    def _opened(self, call: str) -> tuple[Entry, Case | None]:
        """Return the end of a call, and its contents where they are kept."""
        evidence = LiveEvidence(self._installation)
        found = {one.kind: one for one in evidence.find("call", call)}
        closed, opened = found["call.closed"], found["call.opened"]
        prompt, answer = evidence.content(opened, "prompt"), evidence.content(closed, "answer")
        if prompt.missing or answer.missing:
            return closed, None
        text = asked(str(prompt.value))
        if "instructions" in opened.c:
            put_before = evidence.content(opened, "instructions")
            if put_before.missing:
                return closed, None
            text = f"system: {put_before.value} | {text}"
        tools = (*tools_before(str(prompt.value)), *called_tools(closed.facts))
        return closed, Case(text, said(str(answer.value)), tools)

    async def _judged(
        self, entry: Entry, closed: Entry, job: Job, case: Case, evaluation: Evaluation
    ) -> tuple[Score, str | None]:
        call = new_id("call", self._installation.clock())
        question = question_of(job.evaluator, case, str(closed.call), job.series)
        try:
            body = orjson.dumps(dict(self._as_sent(question, closed).fields))
            secret = self._credentials.of("evaluation", evaluation.key)
            principal = await authenticate(secret, self._ports)
            if principal.environment in evaluation.environments:
                return Score("unscored", "the judge's key is of an environment that is sampled itself"), None
            relay = await handle_call(Arrival(call=call, headers={}, body=body), principal, self._ports)
            try:
                _, answer = await relay.whole()
            finally:
                relay.abandon()
        except (GatewayError, CredentialProblem) as error:
            if self._installation.clock() - parse_time(entry.at) < GIVE_UP:
                raise JudgeUnavailable(str(error)) from error
            return Score("unscored", "the judge could not be asked for a day"), None
        return verdict_of(said(answer.decode("utf-8", "replace")), str(closed.call), job.series), call

    def _as_sent(self, question: Mapping[str, Any], closed: Entry) -> Minimised:
        """Return a question about a call as the policies of that call want it sent: a judge is somebody outside too."""
        facts, policies = closed.facts, self._ports.rules.now.configuration.policies
        applies = applying(policies, closed.workflow, str(facts["environment"]), str(facts["route"]))
        return self._ports.minimiser.replaced(question, replacing(applies))

    def _draft(self, closed: Entry, job: Job, score: Score, judge_call: str | None, policy: str, day: str) -> Draft:
        entry_id = new_id("ent", self._installation.clock())
        evidence = LiveEvidence(self._installation)
        try:
            reason = self._ports.minimiser.keeping(b"").values({"reason": score.reason})  # a judge may quote
        except Refused as error:
            raise JudgeUnavailable(error.message) from error
        c, contents = self._installation.vault.seal(reason, entry_id=entry_id)
        one = job.evaluator
        facts: dict[str, Any] = {
            "evaluator": one.name, "component": one.component, "kind": one.kind, "series": job.series, "policy": policy,
            "verdict": score.verdict, "drawn": job.chosen.drawn, "stratum": job.chosen.stratum,
            "probability_ppm": job.chosen.probability_ppm, "closed_seq": closed.seq, "day": day,
            "component_source": components_of(closed.facts)[1],
        }  # fmt: skip
        facts |= {"prompt": closed.facts["prompt"]} if "prompt" in closed.facts else {}
        if judge_call:
            ends = [entry for entry in evidence.find("call", judge_call) if entry.kind == "call.closed"]
            cost = sum(entry.facts["cost_nano_eur"] for entry in ends)
            facts |= {"judge_call_ref": judge_call, "cost_nano_eur": cost}
        return Draft(
            id=entry_id, kind="evaluation.scored", call=closed.call, task=closed.task, workflow=closed.workflow,
            facts=facts, c=c, contents=contents,
        )  # fmt: skip

    async def _move(self, low: int | None, high: int, drafts: Sequence[Draft]) -> bool:
        """Record scores and go on behind them, if nobody has gone on meanwhile."""
        rows = [CURSOR, CONTROL, *(quality_row(one.facts, one.workflow) for one in drafts)]
        rows += [task_row(one.workflow, one.task) for one in drafts if one.task]
        rows += [row for one in drafts for row in (cusum_row(one.facts), alert_row("incorrect", subject_of(one.facts)))]
        alerts = self._ports.rules.now.configuration.alerts

        def run(state: State, at: datetime) -> Step:
            row = state.get(CURSOR)
            if (row["next"] if row else None) != low:
                return Step(answer=False)
            said, sums = alerts_of(drafts, state, alerts, at, control_of(state).get("changed") or {})
            every = [*drafts, *said]
            return Step(every, changes_of_all(every, state) | sums | {CURSOR: {"next": high}}, answer=True)

        if low == high:
            return True
        written = await self._installation.log.hand_over(Unit(keys=lambda _at: rows, run=run))
        return bool(written.answer)


def policy_of(configuration: Configuration) -> str:
    """Return the version of what is sampled and by what it is scored: by it the hash draws."""
    return definition_digest(configuration.evaluation)


def _series(one: Evaluator, configuration: Configuration) -> str:
    return series_of(one, served_models(configuration, one.route) if one.route else {})


def _is_eligible(closed: Entry, evaluation: Evaluation) -> bool:
    """Say whether a call has an answer to score, and is of an environment that is sampled."""
    return closed.facts["environment"] in evaluation.environments and closed.facts["result"] in ELIGIBLE


def _jobs_of(closed: Entry, configuration: Configuration) -> list[Job]:
    evaluation, jobs = configuration.evaluation, list[Job]()
    policy, components = policy_of(configuration), components_of(closed.facts)[0]
    expensive = None if evaluation.expensive is None else nano_eur(evaluation.expensive)
    for one in evaluation.evaluators:
        if one.workflow != closed.workflow or one.component not in components:
            continue
        found = chosen(
            str(closed.call), closed.facts, one.component, policy=policy, rate_ppm=int(evaluation.rate * 1_000_000),
            expensive=expensive,
        )  # fmt: skip
        if found:
            jobs.append(Job(one, found, _series(one, configuration)))
    return jobs
