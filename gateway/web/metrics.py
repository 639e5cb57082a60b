"""Prometheus metrics: bounded label values, nothing about persons or keys."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

STAGES = ("decide", "open", "attempt", "relay", "close")
BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


_MOST_WAITING = 200


class _Seconds(Collector):
    """A histogram that only the event loop writes to: without the library's locks, six observations a call are a
    tenth of their price. They are counted many at once, which costs less than each by itself between other work."""

    def __init__(self, name: str, text: str, label: str, values: tuple[str, ...]) -> None:
        self._name, self._text, self._label = name, text, label
        self._counts = {value: [0] * (len(BOUNDS) + 1) for value in values}
        self._sums = dict.fromkeys(values, 0.0)
        self._waiting: list[Mapping[str, float]] = []

    def observe(self, seconds: Mapping[str, float]) -> None:
        """Take the seconds of one call, by label value. They must not change afterwards."""
        self._waiting.append(seconds)
        if len(self._waiting) >= _MOST_WAITING:
            self._count()

    def _count(self) -> None:
        counts, sums = self._counts, self._sums
        for seconds in self._waiting:
            for value, one in seconds.items():
                counts[value][bisect_left(BOUNDS, one)] += 1
                sums[value] += one
        self._waiting.clear()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        self._count()
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        names = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
        for value, counts in self._counts.items():
            family.add_metric([value], list(zip(names, accumulate(counts), strict=True)), self._sums[value])
        yield family


class _Counts(Collector):
    """A counter that only the event loop writes to, for the same reason."""

    def __init__(self, name: str, text: str, label: str) -> None:
        self._name, self._text, self._label = name, text, label
        self._counts = Counter[str]()

    def count(self, value: str) -> None:
        self._counts[value] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._text, labels=[self._label])
        for value, count in self._counts.items():
            family.add_metric([value], count)
        yield family


class Metrics:
    """One registry per application, so that tests and a second app do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._refused = _Counts("whyledger_refused", "Calls refused, by reason code.", "code")
        self._closed = _Counts("whyledger_closed", "Calls closed, by result code.", "result")
        self._seconds = _Seconds("whyledger_call_seconds", "From arrival to end.", "end", ("answered", "failed"))
        self._stages = _Seconds(
            "whyledger_stage_seconds",
            "Seconds of each stage: decide (1 to 6), open (7), attempt (8, the provider), relay (9), close (10).",
            "stage",
            STAGES,
        )
        for one in (self._refused, self._closed, self._seconds, self._stages):
            self.registry.register(one)

    def staged(self, seconds: Mapping[str, float]) -> None:
        self._stages.observe(seconds)

    def refused(self, code: str) -> None:
        self._refused.count(code)

    def closed(self, result: str, seconds: float) -> None:
        self._closed.count(result)
        self._seconds.observe({"answered" if result == "answered" else "failed": seconds})

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
