"""What a scorecard says: frozen lines that page, print, JSON and CSV are written from."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from reports.statistics import FEWEST_FOR_PERCENT

SCHEMA = "whyledger.scorecard/1"
CLEAR = {True: "clear", False: "no clear change", None: "too few to tell"}
Unit = Literal["eur", "share", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. Amounts are nano-EUR, shares fractions of 1; what is not known is None, never 0."""

    id: str
    title: str
    unit: Unit
    definition: str
    value: float | None
    numerator: int | None = None
    denominator: int | None = None
    low: float | None = None
    high: float | None = None
    """None beside a `low`: no upper end can be given."""
    how: str = ""
    """By which method the interval was found, or why there is none."""
    before: float | None = None
    """The value of the period before."""
    change: str = ""
    """`lower (clear)`, `higher (clear)`, `no clear change`, `too few to tell`, or empty where nothing is compared."""
    target: float | None = None
    status: str = ""
    """`within target`, `above target`, `not clear`, or empty without a target."""
    note: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A workflow in the table of all."""

    workflow: str
    owner: str
    calls: int
    errors: int
    cost: int
    share: float | None
    """Of the spend of all."""
    bounded: int


class Offline(NamedTuple):
    """What a run over a fixed set found, as it was imported."""

    day: str
    workflow: str
    suite: str
    component: str
    of: str
    """Prompt and model, where they were said."""
    correct: int
    scored: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A scorecard of one workflow or of all. `as_of` is the size of the log it was taken from."""

    subject: str
    owner: str
    period: str
    before: str
    zone: str
    as_of: int
    prices: str
    lines: tuple[Line, ...]
    days: tuple[tuple[str, int, int], ...]
    """Day, calls that ended, cost."""
    models: tuple[tuple[str, int, int], ...]
    """Model, calls, cost."""
    routes: tuple[tuple[str, int, int, int], ...]
    """Route, calls, input tokens, output tokens."""
    prompts: tuple[tuple[str, int, int, str], ...]
    """Version of a registered prompt (empty: none), calls, cost, how its answers were scored."""
    offline: tuple[Offline, ...]
    largest: tuple[tuple[str, str, str, int], ...]
    """Outcome type, task (pseudonym), status, cost."""
    workflows: tuple[Row, ...]
    decisions: tuple[str, ...]
    not_measured: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the card as plain values."""
        return {"schema": SCHEMA} | asdict(self)


CSV_COLUMNS = (
    "id", "title", "unit", "value", "numerator", "denominator", "low", "high", "how", "before", "change", "target",
    "status", "note",
)  # fmt: skip


def as_rows(card: Card) -> list[tuple[Any, ...]]:
    """Return the lines as rows of a table, with their names first."""
    lines = [asdict(one) for one in card.lines]
    return [CSV_COLUMNS, *(tuple("" if line[name] is None else line[name] for name in CSV_COLUMNS) for line in lines)]


def money(nano: float | None) -> str:
    """Write nano-EUR to the cent, below ten cents with four decimals."""
    if nano is None:
        return "not known"
    eur = nano / 10**9
    if nano and abs(eur) < 0.0001:
        return "under EUR 0.0001"
    return f"EUR {eur:,.2f}" if abs(eur) >= 0.1 or not nano else f"EUR {eur:.4f}"


def said(line: Line, value: float | None) -> str:
    """Write a value of a line: an amount, a share in percent, a count as it is."""
    if value is None or line.unit == "eur":
        return money(value)
    return f"{value * 100:.1f} %" if line.unit == "share" else f"{value:,.0f}"


def interval_said(line: Line) -> str:
    """Write the interval of a line, or why there is none."""
    if line.low is None:
        return line.how
    high = "open" if line.high is None else said(line, line.high)
    return f"95 %: {said(line, line.low)} to {high}"


def headline(line: Line) -> str:
    """Write the figure of a line: of few cases the counts alone, because a percentage would say more than is known."""
    if line.unit == "share" and line.denominator is not None and line.denominator < FEWEST_FOR_PERCENT:
        return f"{line.numerator} of {line.denominator}" if line.denominator else "no case"
    return said(line, line.value)
