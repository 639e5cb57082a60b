"""Prometheus metrics: bounded label values, nothing about persons or keys."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest


class Metrics:
    """One registry per application, so that tests and a second app do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._refused = Counter("whyledger_refused", "Calls refused, by reason code.", ["code"], registry=self.registry)
        self._closed = Counter("whyledger_closed", "Calls closed, by result code.", ["result"], registry=self.registry)
        self._seconds = Histogram("whyledger_call_seconds", "From arrival to end.", registry=self.registry)

    def refused(self, code: str) -> None:
        self._refused.labels(code).inc()

    def closed(self, result: str, seconds: float) -> None:
        self._closed.labels(result).inc()
        self._seconds.observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
