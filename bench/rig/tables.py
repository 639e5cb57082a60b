"""The tables of a comparison: medians over rounds, ratios within the run, and the gates with PASS or MISS."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Rounds = Sequence[Mapping[str, Any]]
Figures = Mapping[str, Rounds]


def median(rounds: Rounds, *path: str) -> float | None:
    """Median over the rounds that have this figure."""
    values = []
    for one in rounds:
        found: Any = one
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None:
            values.append(found)
    return statistics.median(values) if values else None


def over(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def beyond(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def shown(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def print_tables(figures: Figures, absent: Mapping[str, str], connections: Sequence[int]) -> None:
    """Print whole answers, streams, and who was not measured and why."""
    points = [f"c{count}" for count in connections]
    rows = [_whole(name, rounds, figures["direct"], points) for name, rounds in figures.items()]
    most = points[-1]
    heads = ["gateway", *(f"calls/s {one}" for one in points), f"best round {most}", f"{most} / direct"]
    heads += ["p50 c1 ms", "added p50 c1 ms", f"p99 {most} ms", "60 ms upstream: calls/s", "/ direct", "p99 ms"]
    heads += [f"CPU us/call {most} median (best)", "PSS MiB idle / load", "start s", "fdatasync ms", "errors"]
    _print(heads, [*rows, *([name, f"not installed: {why}"] for name, why in absent.items())])
    heads = ["gateway", "TTFT p50 c1 ms", "added TTFT c1 ms", "c16, 5 ms gap: TTFT p50 / p99 ms"]
    heads += ["stream p50 ms (ideal 150)", "events/s", "c16, no gap: streams/s", "CPU us/stream"]
    heads += ["CPU us/event, over a whole answer", "events per stream", "bad"]
    rows = [_streams(name, rounds, figures["direct"], most) for name, rounds in figures.items()]
    _print(heads, [*rows, *([name, "not installed"] for name in absent)])
    heads = ["gateway, c16, no gap", "format", "streams/s", "CPU us/stream", "events per stream", "bad"]
    _print(heads, [row for name, rounds in figures.items() for row in _formats(name, _good(rounds))])


def _print(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _good(rounds: Rounds) -> list[Mapping[str, Any]]:
    return [one for one in rounds if "failed" not in one]


def _whole(name: str, rounds: Rounds, direct: Rounds, points: Sequence[str]) -> list[str]:
    good, most, first = _good(rounds), points[-1], points[0]
    if not good:
        return [name, f"failed: {rounds[0]['failed'][:200]!r}"]
    rate, slow = median(good, most, "rps"), median(good, "slow60", "rps")
    cpu = [one[most]["cpu_us"] for one in good if "cpu_us" in one[most]]
    postgres = median(good, most, "postgres_us")
    probes = [probe for one in good for probe in one.get("fsync", [])]
    spent = f"{shown(statistics.median(cpu), 0)} ({shown(min(cpu), 0)})" if cpu else "-"
    return [
        name,
        *(shown(median(good, one, "rps"), 0) for one in points),
        shown(max(one[most]["rps"] for one in good), 0),
        shown(over(rate, median(direct, most, "rps")), 4),
        shown(median(good, first, "p50_ms")),
        shown(beyond(median(good, first, "p50_ms"), median(direct, first, "p50_ms"))),
        shown(median(good, most, "p99_ms"), 1),
        shown(slow, 0),
        shown(over(slow, median(direct, "slow60", "rps"))),
        shown(median(good, "slow60", "p99_ms"), 1),
        spent + (f" + pg {shown(postgres, 0)}" if postgres is not None else ""),
        f"{shown(median(good, 'pss_idle'), 0)} / {shown(median(good, 'pss_load'), 0)}",
        shown(median(good, "start_s")),
        f"{shown(min(probes))}-{shown(max(probes))}" if probes else "-",
        str(sum(one[point]["errors"] for one in good for point in (*points, "slow60"))),
    ]


def _streams(name: str, rounds: Rounds, direct: Rounds, most: str) -> list[str]:
    good = [one for one in _good(rounds) if one["sse1"].get("ok")]
    bad = sum(one[point].get("bad", 0) for one in _good(rounds) for point in ("sse1", "sse16", "sse_max"))
    first = median(good, "sse1", "ttft_p50_ms")
    return [
        name,
        shown(first),
        shown(beyond(first, median(direct, "sse1", "ttft_p50_ms"))),
        f"{shown(median(good, 'sse16', 'ttft_p50_ms'))} / {shown(median(good, 'sse16', 'ttft_p99_ms'), 1)}",
        shown(median(good, "sse16", "total_p50_ms"), 0),
        shown(median(good, "sse16", "events_per_s"), 0),
        shown(median(good, "sse_max", "streams_per_s"), 0),
        shown(median(good, "sse_max", "cpu_us"), 0),
        shown(
            over(
                beyond(median(good, "sse_max", "cpu_us"), _cpu(good, most)),
                median(good, "sse_max", "events_per_stream"),
            )
        ),
        shown(median(good, "sse_max", "events_per_stream"), 1),
        str(bad),
    ]


def _formats(name: str, good: Rounds) -> list[list[str]]:
    """Streams in each format that was measured, those of chat completions first."""
    points = {"chat completions": "sse_max", "Responses": "responses", "Anthropic messages": "messages"}
    return [
        [
            name,
            form,
            shown(median(good, point, "streams_per_s"), 0),
            shown(median(good, point, "cpu_us"), 0),
            shown(median(good, point, "events_per_stream"), 1),
            str(sum(one[point].get("bad", 0) for one in good)),
        ]
        for form, point in points.items()
        if good and all(point in one for one in good)
    ]


def print_gates(figures: Figures, product: str, baseline: str, connections: Sequence[int]) -> None:
    """Print each gate with PASS, MISS or NOT MEASURED."""
    none: Rounds = ()
    us, base, direct = figures.get(product, none), figures.get(baseline, none), figures["direct"]
    first, most = f"c{connections[0]}", f"c{connections[-1]}"

    def rate(peer: str) -> float | None:
        return over(median(us, most, "rps"), median(figures.get(peer, none), most, "rps"))

    def streams(peer: str) -> float | None:
        return over(median(us, "sse_max", "streams_per_s"), median(figures.get(peer, none), "sse_max", "streams_per_s"))

    def added(rounds: Rounds) -> float | None:
        return beyond(median(rounds, first, "p50_ms"), median(direct, first, "p50_ms"))

    fsync = median(us, "fsync_ms")
    ttft = beyond(median(us, "sse1", "ttft_p50_ms"), median(direct, "sse1", "ttft_p50_ms"))
    cpu = over(_cpu(us, most), _cpu(base, most))
    start = over(median(us, "start_s"), median(figures.get("litellm", none), "start_s"))
    gates = [
        (f"CPU per call {most} / {baseline}", cpu, "<=", 1.8),
        (f"calls/s {most} / {baseline}", rate(baseline), ">=", 0.5),
        (f"added p50 {first} / {baseline}", over(added(us), added(base)), "<=", 1.5),
        (f"calls/s {most} / litellm", rate("litellm"), ">=", 20.0),
        (f"calls/s {most} / portkey-pinned", rate("portkey-pinned"), ">=", 2.0),
        (f"calls/s {most} / nginx", rate("nginx"), ">=", 0.035),
        (f"streams/s c16 / {baseline}", streams(baseline), ">=", 0.55),
        ("streams/s c16 / portkey-pinned", streams("portkey-pinned"), ">=", 4.0),
        ("60 ms upstream, calls/s / direct", over(median(us, "slow60", "rps"), median(direct, "slow60", "rps")), ">=", 0.8),
        ("added TTFT c1, ms (1.5 ms + 1 fsync)", ttft, "<=", None if fsync is None else 1.5 + fsync),
        ("start to first answer / litellm", start, "<=", 0.2),
        ("idle PSS, MiB", median(us, "pss_idle"), "<=", 100.0),
    ]  # fmt: skip
    rows = [
        [text, shown(value, 3), f"{how} {shown(bound, 3)}", _verdict(value, how, bound)]
        for text, value, how, bound in gates
    ]
    _print([f"gate of {product}", "measured", "bound", "result"], rows)


def _cpu(rounds: Rounds, point: str) -> float | None:
    """CPU per call of gateway and database together."""
    own = median(rounds, point, "cpu_us")
    return None if own is None else own + (median(rounds, point, "postgres_us") or 0.0)


def _verdict(value: float | None, how: str, bound: float | None) -> str:
    if value is None or bound is None:
        return "NOT MEASURED"
    return "PASS" if (value <= bound if how == "<=" else value >= bound) else "MISS"
