"""What a format's own reader and judge make of an answer, for tests of every format."""

from typing import Any

from gateway.dialects.protocol import Asked, Dialect, Transcript
from gateway.pipeline.judging import Judge, Room
from gateway.tools.grants import grants_of


def seen(dialect: Dialect, raw: bytes, *tools: str) -> Transcript:
    """Return the transcript of a stream that ended in order; `tools`: those that the request defines."""
    transcript, reader = dialect.transcript(Asked({}, "m", tools=tools)), dialect.reader()
    for event in [*reader.feed(raw), *reader.finish()]:
        transcript.see(event)
    transcript.see_end()
    return transcript


def judged(dialect: Dialect, raw: bytes, *grants: str) -> tuple[str, bytes, list[str]]:
    """Return how a stream ends, what may leave before its end, and the names of the tools that it called."""
    asked = Asked({}, "m", stream=True, tools=grants)
    judge, reader = Judge(asked, dialect, None, grants_of(grants), 1000, "", "key", Room()), dialect.reader()
    result, ready = judge.events([*reader.feed(raw), *reader.finish()])
    called = [one.name for one in judge.transcript.tool_calls()]
    return (judge.end() if result == "answered" else result), ready, called


def told(transcript: Transcript) -> tuple[Any, ...]:
    return transcript.response_id, transcript.model, transcript.finish, transcript.tool_calls(), transcript.reported()
