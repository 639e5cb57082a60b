"""Numbered steps of a verification, each PASS, FAIL or NOT CHECKED, and what they prove together."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.errors import LedgerError

PASS, FAIL, NOT_CHECKED = "PASS", "FAIL", "NOT CHECKED"
LEVELS = ("L0", "L1", "L2", "L3", "L4")


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step and what came of it."""

    number: int
    name: str
    result: str
    detail: str


@dataclass(slots=True)
class Report:
    """What was proved. `level` is None when something failed."""

    steps: list[Step] = field(default_factory=list)

    def note(self, name: str, result: str, detail: str) -> None:
        self.steps.append(Step(len(self.steps) + 1, name, result, detail))

    @property
    def failed(self) -> bool:
        return any(step.result == FAIL for step in self.steps)

    def passed(self, name: str) -> bool:
        return any(step.name == name and step.result == PASS for step in self.steps)

    @property
    def level(self) -> str | None:
        if self.failed or not self.passed("tree"):
            return None
        if not self.passed("pinned key"):
            return "L0"
        return "L2" if self.passed("held head") else "L1"


class Unproved(Exception):
    """A step found nothing wrong, and not enough to pass either; the message says what is lacking."""


class Steps:
    """Runs steps so that a failing one is reported and ends the check: later steps rest on earlier ones."""

    def __init__(self) -> None:
        self.report = Report()

    def run(self, name: str, check: Callable[[], str]) -> bool:
        if self.report.failed:
            self.report.note(name, NOT_CHECKED, "an earlier step failed")
            return False
        try:
            self.report.note(name, PASS, check())
        except Unproved as lacking:
            self.report.note(name, NOT_CHECKED, str(lacking))
            return False
        except LedgerError as error:
            self.report.note(name, FAIL, str(error))
            return False
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Hostile input must end in a verdict, whatever it trips over.
            self.report.note(name, FAIL, f"malformed: {type(error).__name__}")
            return False
        return True

    def skip(self, name: str, why: str) -> None:
        self.report.note(name, NOT_CHECKED, why)


def not_in_this_version(steps: Steps) -> None:
    steps.skip("outside time", "there is no time-stamp of an outside authority: when it was made is not proved")
    steps.skip("witnesses", "there is no witness: two histories shown to two auditors would not show")
