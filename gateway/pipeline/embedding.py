"""Vectors from an endpoint for embeddings, asked within a call that is on record: its cost is the call's."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from gateway.call import LookUp, Plan, Target
from gateway.dialects.openai_others import EMBEDDINGS, vectors_in
from gateway.dialects.protocol import Asked, Server, Unreadable
from gateway.errors import NoCredential, UpstreamCut, UpstreamTimeout, UpstreamUnreached
from gateway.pipeline.attempt import AMBIGUOUS, Tries, request_id_in
from gateway.pipeline.ports import Ports
from gateway.pricing.money import Reported

SECONDS = 10.0
"""After which the model is asked without: a cache may not hold a call up for long."""


async def embedded(texts: Sequence[str], target: Target, plan: Plan, tries: Tries, ports: Ports) -> list[Any] | None:
    """Return the vectors of texts, lists of numbers; None where there are none. What was tried is added to `tries`."""
    began = monotonic()
    asked = Asked({"input": list(texts), "encoding_format": "float"}, target.model)
    bound = sum(len(one.encode()) for one in texts)
    request_id: str | None = None

    def note(outcome: str, billed: str, status: int | None = None, reported: Reported | None = None) -> None:
        spent = int((monotonic() - began) * 1000)
        usage = reported.usage if reported else None
        tries.look_ups.append(LookUp(target, outcome, billed, status, spent, request_id, usage, bound))

    try:
        outgoing = EMBEDDINGS.outgoing(asked, Server(target.model, 0))
        limit = min(SECONDS, plan.timeout)
        answer = await ports.upstream.send(target, outgoing, timeout=limit, whole_answer=limit)
        tries.current, request_id = answer, request_id_in(answer.headers)
        body = await answer.read()
    except (NoCredential, UpstreamUnreached) as error:
        note("no_credential" if isinstance(error, NoCredential) else "unreached", "no")
        return None
    except (UpstreamTimeout, UpstreamCut) as error:
        note("timeout" if isinstance(error, UpstreamTimeout) else "cut", "unknown")
        return None
    except asyncio.CancelledError:
        note("cancelled", "unknown")
        raise
    if answer.status != 200:
        note(f"http_{answer.status}", "unknown" if answer.status in AMBIGUOUS else "no", answer.status)
        return None
    transcript = EMBEDDINGS.transcript(asked)
    try:
        transcript.see_whole(body)
        vectors = vectors_in(body, len(texts))
    except Unreadable:
        note("unreadable", "unknown", 200)
        return None
    reported = transcript.reported()
    note("answered", "reported" if reported else "unknown", 200, reported)
    return vectors
