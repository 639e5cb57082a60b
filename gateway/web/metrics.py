"""Prometheus metrics: bounded label values, nothing about persons or keys."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

STAGES = ("decide", "open", "attempt", "relay", "close")
BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class _Seconds(Collector):
    """A histogram that only the event loop writes to, six times a call: so it needs none of the library's locks."""

    def __init__(self, name: str, text: str, label: str, values: tuple[str, ...]) -> None:
        self._name, self._text, self._label = name, text, label
        self._counts = {value: [0] * (len(BOUNDS) + 1) for value in values}
        self._sums = dict.fromkeys(values, 0.0)

    def observe(self, seconds: Mapping[str, float]) -> None:
        """Count the seconds of one call, by label value."""
        for value, one in seconds.items():
            self._counts[value][bisect_left(BOUNDS, one)] += 1
            self._sums[value] += one

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        names = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
        for value, counts in self._counts.items():
            family.add_metric([value], list(zip(names, accumulate(counts), strict=True)), self._sums[value])
        yield family


class Metrics:
    """One registry per application, so that tests and a second app do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.backlog = Gauge("whyledger_evaluation_backlog", "Entries not looked at yet.", registry=self.registry)
        self._refused = Counter("whyledger_refused", "Calls refused, by reason code.", ["code"], registry=self.registry)
        self._closed = Counter("whyledger_closed", "Calls closed, by result code.", ["result"], registry=self.registry)
        self._seconds = _Seconds("whyledger_call_seconds", "From arrival to end.", "end", ("answered", "failed"))
        self._stages = _Seconds(
            "whyledger_stage_seconds",
            "Seconds of each stage: decide (1 to 6), open (7), attempt (8, the provider), relay (9), close (10).",
            "stage",
            STAGES,
        )
        self.registry.register(self._seconds)
        self.registry.register(self._stages)

    def staged(self, seconds: Mapping[str, float]) -> None:
        self._stages.observe(seconds)

    def refused(self, code: str) -> None:
        self._refused.labels(code).inc()

    def closed(self, result: str, seconds: float) -> None:
        self._closed.labels(result).inc()
        self._seconds.observe({"answered" if result == "answered" else "failed": seconds})

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
