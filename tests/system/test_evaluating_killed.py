"""SIGKILL the process that scores, in the middle of it: no score is lost, none is double."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from environment import Hosted, require_sound_log, until
from stage import Upstream, completion, listening, prepare
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.world import free_port
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.store.installation import opened
from ledger.entry import decode

pytestmark = pytest.mark.slow
CALLS, KILLS = 8, (2, 5)
"""How many calls there are to score, and after how many questions to the judge the process is killed."""
EVALUATION = """
evaluation:
  rate: 1
  key: "env:JUDGE_KEY"
  evaluators:
    - {name: polite, workflow: agent, component: answer, kind: judge, route: judging, question: "Is it polite?"}
    - {name: no-promises, workflow: agent, component: policy, kind: forbidden_words, words: [guarantee]}
"""


class Judge:
    """Hangs at the questions in which the process is killed."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, _request: Request, body: dict[str, Any]) -> Response:
        rules = str(body["messages"][0]["content"])
        if "You check one property" not in rules:
            return JSONResponse(completion("hello"))
        self.asked += 1
        if self.asked in KILLS:
            await asyncio.sleep(5)
        word = rules.rpartition('"word": "')[2].partition('"')[0]
        return JSONResponse(completion(json.dumps({"verdict": "correct", "reason": "it is", "word": word})))


def test_a_process_that_is_killed_while_it_scores_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    settings, keys, _ = prepare(tmp_path / "home", port=port)
    with opened(settings) as installation:
        ada = by_name(installation, "ada", None)
        text = installation.vault.text(acts.active_configuration(installation)[1]) or ""
        text = text.replace("routes:\n", "routes:\n  - {intent: judging, primary: model-a, max_retries: 0}\n")
        text = text.replace("workflows:\n", "workflows:\n  judge: {purpose: score answers, owner: test}\n")
        acts.activate(installation, ada, text + EVALUATION, "evaluation")
        acts.release(installation, ada, "agent", "with another route")
        monkeypatch.setenv("JUDGE_KEY", acts.issue_key(installation, ada, "dev", "judge"))
    judge = Judge()
    upstream = Upstream(answer=judge)
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    with listening(app, port):
        server = Hosted(settings)
        try:
            with opened(settings) as installation:
                until(lambda: installation.reader.state("evaluating"), "nothing is looked at")
                for number in range(CALLS):
                    assert server.call(keys["agent"], f"caller {number}").status == 200
                for judged in KILLS:
                    until(lambda judged=judged: judge.asked >= judged, "the judge was not asked")  # type: ignore[misc]
                    server.kill()
                    server.start()
                    until(server.is_ready, "the server did not come back")

                def scored() -> list[Any]:
                    entries = map(decode, installation.reader.raw(0, installation.reader.head().size))
                    return [one for one in entries if one.kind == "evaluation.scored"]

                until(lambda: len(scored()) >= 2 * CALLS, "not every answer was scored")
                until(lambda: not installation.reader.states("call:"), "a question to the judge has no end")
            server.stop()
        finally:
            server.kill()
    found = require_sound_log(settings, [])
    scores = Counter((one.call, one.facts["evaluator"]) for one in found if one.kind == "evaluation.scored")
    closed = [one.call for one in found if one.kind == "call.closed" and one.workflow == "agent"]
    assert len(closed) == CALLS
    assert scores == Counter({(call, name): 1 for call in closed for name in ("polite", "no-promises")})
    assert judge.asked > CALLS  # a judge was asked again for what was not on record
