"""A why answer is taken from the bytes that it proves."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import Stage, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oversight import acts
from gateway.store.evidence import LiveEvidence
from gateway.web.api import explain
from ledger.entry import Draft, Sealed
from ledger.store.reader import Reader
from ledger.unit import Step, Unit
from reports.why.answer import NothingFound, WhyAnswer, why


def long_task(on: Stage, count: int) -> list[str]:
    """Make that many calls of one task, named by their number, and return their ids."""
    for number in range(count):
        on.ask(task=f"ticket:{count}", text=f"question {number}")
    return [str(one.call) for one in on.settled("call.closed", count)]


def reverse(on: Stage, call: str) -> None:
    acts.override(
        on.installation, on.person("ada"), call, action="reverse", reason_code="R07", reason="wrong",
        presented="shown", before="a", after="b",
    )  # fmt: skip


def test_an_answer_over_changed_bytes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(tmp_path) as on:
        on.ask()
        (closed,) = on.settled("call.closed")
        on.installation.checkpointer.sign(now=True)
        honest = explain(on.installation, str(closed.call)).integrity
        stored = Reader.stored

        def cheaper(reader: Reader, seqs: Iterable[int]) -> dict[int, bytes]:
            found = stored(reader, seqs)
            return found | {
                seq: re.sub(rb'"cost_nano_eur":\d+', b'"cost_nano_eur":1', data)
                for seq, data in found.items()
                if seq == closed.seq
            }

        monkeypatch.setattr(Reader, "stored", cheaper)
        changed = explain(on.installation, str(closed.call)).integrity
    assert (honest.failures, honest.proved) == ((), honest.checked)
    assert [text.partition(":")[0] for text in changed.failures] == [f"entry {closed.seq}"]
    assert changed.proved == changed.checked - 1


def test_a_task_of_many_calls_is_told_page_by_page_with_nothing_lost(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        calls = long_task(on, 23)
        reverse(on, calls[-1])
        on.installation.checkpointer.sign(now=True)
        evidence = LiveEvidence(on.installation, acts.time_zone(on.installation))
        whole = why("ticket:23", *evidence.resolve("ticket:23"), evidence)
        pages = [explain(on.installation, "ticket:23", page=number) for number in (1, 2, 3, 4, 5)]
        with pytest.raises(NothingFound, match="no page 6 of ticket:23, the last one is 5"):
            explain(on.installation, "ticket:23", page=6)
    assert (whole.page, whole.pages) == (1, 1)
    assert [(one.page, one.pages) for one in pages] == [(number, 5) for number in (1, 2, 3, 4, 5)]
    told = {sentence.text for page in pages for sentence in page.narrative}
    assert told == {sentence.text for sentence in whole.narrative}
    moments = {one["seq"] for page in pages for one in page.timeline}
    assert moments == {one["seq"] for one in whole.timeline}
    for page, shown in zip(pages, (calls[:5], calls[5:10], calls[10:15], calls[15:20], calls[20:]), strict=True):
        assert (page.headline, page.calls, page.approvals) == (whole.headline, whole.calls, whole.approvals)
        assert (page.verdict.text, [one["call"] for one in page.told]) == (whole.verdict.text, shown)
        assert {one["call"] for one in page.timeline if one["call"] and one["kind"] == "call.closed"} == set(shown)
        assert [one["call"] for one in page.timeline if one["kind"] == "override.recorded"] == [calls[-1]]
        assert not page.integrity.failures
        assert page.integrity.proved == page.integrity.checked < whole.integrity.checked
        totals = [one.answer for one in page.questions if one.number in (8, 10)]
        assert whole.questions[7].answer.splitlines()[-1].partition("Together")[2] in totals[0]
        assert totals[1] == whole.questions[9].answer
        assert any(f"{23 - len(shown)} further calls" in line for line in page.unknown)
        assert page.questions[0].answer.endswith("23 calls; all 23 were answered.")


def test_a_long_task_is_told_the_same_from_links_that_say_nothing_in_brief(tmp_path: Path) -> None:
    """Links that an earlier version wrote: the entries behind them are read instead."""
    with stage(tmp_path) as on:
        calls = long_task(on, 12)
        reverse(on, calls[0])
        acts.stop(on.installation, on.person("ada"), acts.stop_scope(on.installation, task="ticket:12"), "enough")
        with pytest.raises(openai.PermissionDeniedError):
            on.ask(task="ticket:12")
        on.installation.checkpointer.sign(now=True)
        told = [(page, workflow) for page in (1, 2) for workflow in (None, {"agent"})]
        briefly = [explain(on.installation, "ticket:12", workflow, page=page) for page, workflow in told]
        with on.installation.engine.begin() as connection:
            assert connection.exec_driver_sql("UPDATE ref SET brief = NULL WHERE brief IS NOT NULL").rowcount == 24
        assert [explain(on.installation, "ticket:12", workflow, page=page) for page, workflow in told] == briefly
    assert {len(answer.calls) for answer in briefly} == {13}


FORGED = '["call.closed","call_forged","agent",{},{"cost_nano_eur":1000000000000,"result":"answered"}]'
CHANGES = {  # to what the links of the first of twelve calls say, and which page then fails
    "another result": ("UPDATE ref SET brief = replace(brief, 'answered', 'failed') WHERE {closed}", 1),
    "another cost": ("UPDATE ref SET brief = replace(brief, '\"cost_nano_eur\":', '\"cost_nano_eur\":1') WHERE {closed}", 1),
    "a call that does not exist": ("INSERT INTO ref SELECT kind, value, 1, '{forged}' FROM ref WHERE {closed}", 1),
    "an end that is none": ("UPDATE ref SET brief = replace(brief, 'call.closed', 'call.opened') WHERE {closed}", None),
    "an end of no call": ("UPDATE ref SET brief = '[\"call.closed\",null,null,{},{}]' WHERE {closed}", None),
    "another configuration": ("UPDATE ref SET brief = replace(brief, '\"config\":\"', '\"config\":\"x') WHERE {opened}", 1),
    "another workflow": ("UPDATE ref SET brief = replace(brief, '\"agent\"', '\"quiet\"') WHERE {opened}", 1),
    "another key": ("UPDATE ref SET brief = replace(brief, 'key_', 'key_x') WHERE {opened}", 1),
    "another call": ("UPDATE ref SET brief = replace(brief, '{call}', '{call}x')", 1),
    "a link taken away": ("DELETE FROM ref WHERE {closed}", 1),
    "no JSON": ("UPDATE ref SET brief = 'x' WHERE {closed}", None),
    "nothing": ("UPDATE ref SET brief = '' WHERE {closed}", None),
    "too little": ("UPDATE ref SET brief = '[1]' WHERE {closed}", None),
    "a text for a cost": ("UPDATE ref SET brief = replace(brief, '\"result\":', '\"cost_nano_eur\":\"x\",\"result\":') WHERE {closed}", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, str, list[WhyAnswer]]]:
    with stage(tmp_path_factory.mktemp("twelve") / "home") as on:
        long_task(on, 12)
        on.installation.checkpointer.sign(now=True)
        pages = [explain(on.installation, "ticket:12", page=page) for page in (1, 2, 3)]
        yield on, pages[0].calls[0]["call"], pages


@pytest.mark.parametrize("change", CHANGES)
def test_a_list_that_contradicts_the_entries_is_found_on_the_page_that_tells_them(
    twelve: tuple[Stage, str, list[WhyAnswer]], change: str
) -> None:
    """Or its entries are read, where the link is nothing that we write. What the page tells is that of the entries."""
    on, call, honest = twelve
    statement, failing = CHANGES[change]
    closed = f"""kind = 'task' AND brief LIKE '["call.closed","{call}"%'"""
    with on.installation.engine.connect() as connection:
        links = connection.exec_driver_sql("SELECT * FROM ref WHERE kind = 'task'").all()
    try:
        with on.installation.engine.begin() as connection:
            opened = closed.replace("closed", "opened")
            done = statement.replace("{closed}", closed).replace("{opened}", opened).replace("{call}", call)
            done = done.replace("{forged}", FORGED)
            assert connection.exec_driver_sql(done).rowcount > 0
        pages = [explain(on.installation, "ticket:12", page=page) for page in (1, 2, 3)]
    finally:
        with on.installation.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM ref WHERE kind = 'task'")
            connection.exec_driver_sql("INSERT INTO ref VALUES (?, ?, ?, ?)", [tuple(row) for row in links])
    assert [bool(page.integrity.failures) for page in pages] == [number == failing for number in (1, 2, 3)]
    if failing is None:
        assert pages == honest
    if change not in ("a call that does not exist", "another call"):
        assert pages[0].approvals == honest[0].approvals
        assert [one for one in pages[0].narrative if one in honest[0].narrative] == list(honest[0].narrative)


def test_of_a_long_task_only_the_entries_that_a_page_tells_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(tmp_path) as on:
        long_task(on, 23)
        read: set[int] = set()
        stored = Reader.stored

        def noting(reader: Reader, seqs: Iterable[int]) -> dict[int, bytes]:
            found = stored(reader, seqs)
            read.update(found)
            return found

        monkeypatch.setattr(Reader, "stored", noting)
        page = explain(on.installation, "ticket:23", page=2)
        of_the_task = set(on.installation.reader.find("task", on.installation.vault.pseudonym("task", "ticket:23")))
    assert read & of_the_task == {one["seq"] for one in page.timeline if one["call"]}
    assert len(read & of_the_task) == 10 < len(of_the_task)


def test_of_a_long_task_only_the_contents_that_a_page_tells_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(tmp_path) as on:
        long_task(on, 23)
        read: list[set[int]] = []
        contents_of = Reader.contents_of

        def noting(reader: Reader, seqs: Iterable[int]) -> dict[int, Sealed]:
            read.append(set(seqs))
            return contents_of(reader, read[-1])

        monkeypatch.setattr(Reader, "contents_of", noting)
        page = explain(on.installation, "ticket:23", page=2)
    told = {one["seq"] for one in page.timeline if one["call"]}
    assert len(told) == 10
    assert [len(seqs & told) for seqs in read if seqs & told] == [10]  # in one go
    assert len(set().union(*read) - told) < 5  # names of people and reasons


def test_a_workflow_that_asks_about_its_own_call_is_told_of_every_entry_of_it(tmp_path: Path) -> None:
    async def never(_request: Request, _body: dict[str, Any]) -> Response:
        await asyncio.sleep(1)
        return JSONResponse(completion())

    with stage(tmp_path, retries=1, timeout=0.3) as on:
        on.upstream.answer = never
        with pytest.raises(openai.InternalServerError):
            on.ask(task="ticket:1", max_completion_tokens=10)  # tried again after what may have been billed
        (closed,) = on.settled("call.closed")
        assert {entry.workflow for entry in on.entries("call.extended")} == {closed.workflow}
        earlier = Draft(
            id="ent_01938f6c-5f00-7abc-8def-0123456789ab", kind="call.extended", call=closed.call, task=closed.task
        )  # as written before
        on.installation.log.append(Unit(keys=lambda _at: (), run=lambda _state, _at: Step(drafts=[earlier])))
        every = {entry.seq for entry in on.entries() if entry.call == closed.call}
        told = [explain(on.installation, ref, {str(closed.workflow)}) for ref in ("ticket:1", str(closed.call))]
    assert len(every) >= 4
    assert [{one["seq"] for one in answer.timeline if one["call"]} for answer in told] == [every, every]
