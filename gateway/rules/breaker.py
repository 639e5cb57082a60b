"""Targets that fail again and again are left alone for a while: their circuit is open.

It opens after `FAILURES` failures in a row, for longer each time; one call at a time then finds out whether the target
is back. What was open is stated in the entry of each call that passed a target over. Each process finds out by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.call import Target

FAILURES = 5
OPEN_SECONDS, MOST_SECONDS = 15.0, 300.0
PROBE_SECONDS = 5.0
"""How long one call may try a target that was left alone before the next one does."""
FAILED = frozenset({"unreached", "timeout", "cut", "error", "empty"})
Place = tuple[str, str]
"""A provider and a model."""
Circuits = Mapping[Place, str]
"""The targets that are left alone, with the reason."""
NONE_OPEN: Circuits = MappingProxyType({})


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    seconds: float = OPEN_SECONDS
    until: float = 0.0


class Breaker:
    """The circuits of a process. Instants are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._circuits: dict[Place, _Circuit] = {}

    def note(self, target: Target, outcome: str, now: float, *, wait: float = 0.0) -> None:
        """Note how an attempt ended.

        Args:
            outcome: that of the attempt: `answered`, `http_503`, `timeout` and so on.
            wait: how many seconds a target that takes no more asked to be left alone.
        """
        place = target.provider, target.model
        if outcome == "answered":
            self._circuits.pop(place, None)
            return
        limited = outcome == "http_429" and wait > 0
        if not limited and outcome not in FAILED and not outcome.startswith("http_5"):
            return
        circuit = self._circuits.setdefault(place, _Circuit())
        if limited:
            circuit.until = max(circuit.until, now + min(wait, MOST_SECONDS))
            return
        circuit.failures += 1
        if circuit.failures >= FAILURES:
            circuit.until = now + circuit.seconds
            circuit.seconds = min(2 * circuit.seconds, MOST_SECONDS)

    def begin(self, target: Target, now: float) -> None:
        """Note that a call tries a target: of one that is due again, the next calls wait for what this one finds."""
        circuit = self._circuits.get((target.provider, target.model))
        if circuit and circuit.failures >= FAILURES and circuit.until <= now:
            circuit.until = now + PROBE_SECONDS

    def open_at(self, now: float) -> Circuits:
        """Return the targets that are left alone, with the reason."""
        if not self._circuits:
            return NONE_OPEN
        return {place: _reason(one, now) for place, one in self._circuits.items() if one.until > now}


def _reason(circuit: _Circuit, now: float) -> str:
    left = f"left alone for {max(1, round(circuit.until - now))} s"
    if circuit.failures < FAILURES:
        return f"it takes no more for now; {left}"
    return f"its circuit is open after {circuit.failures} failures in a row; {left}"
