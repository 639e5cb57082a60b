"""Prometheus metrics: bounded label values, nothing about persons or keys."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

STAGES = ("decide", "open", "attempt", "relay", "close")


class Metrics:
    """One registry per application, so that tests and a second app do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._refused = Counter("whyledger_refused", "Calls refused, by reason code.", ["code"], registry=self.registry)
        self._closed = Counter("whyledger_closed", "Calls closed, by result code.", ["result"], registry=self.registry)
        self._seconds = Histogram("whyledger_call_seconds", "From arrival to end.", registry=self.registry)

        by_stage = Histogram(
            "whyledger_stage_seconds",
            "Seconds of each stage: decide (1 to 6), open (7), attempt (8, the provider), relay (9), close (10).",
            ["stage"],
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
            registry=self.registry,
        )
        self._stages = {name: by_stage.labels(name) for name in STAGES}

    def staged(self, seconds: Mapping[str, float]) -> None:
        for name, value in seconds.items():
            self._stages[name].observe(value)

    def refused(self, code: str) -> None:
        self._refused.labels(code).inc()

    def closed(self, result: str, seconds: float) -> None:
        self._closed.labels(result).inc()
        self._seconds.observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
