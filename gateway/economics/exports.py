"""What providers say they billed: cost and usage exports, read into lines. Pure.

Sources, read 2026-11-28: OpenAI, Admin API `organization/costs` and `organization/usage/completions` (buckets with Unix
times, amounts in USD); Anthropic, Admin API `cost_report` (amounts are decimal strings in cents) and
`usage_report/messages`. Any other provider: CSV with a line of names.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import orjson

from ledger.errors import LedgerError

COLUMNS = ("day", "model", "request_id", "amount", "currency", "input_tokens", "output_tokens", "requests")


MOST = Decimal(10**9)


class ExportInvalid(LedgerError):
    """The file is none of the exports that are read; the message says where it stops to be one."""


class Line(NamedTuple):
    """One line of an export. `day` is a UTC day; `amount` is in `currency`; what is not stated is None."""

    day: str
    model: str
    request: str | None = None
    amount: Decimal | None = None
    currency: str = "USD"
    tokens_in: int | None = None
    tokens_out: int | None = None
    requests: int | None = None


class Export(NamedTuple):
    """An export: whose it is, where the file says so, its lines, and the UTC days it covers, empty ones too."""

    provider: str | None
    lines: tuple[Line, ...]
    days: tuple[str, ...]


def read_export(data: bytes) -> Export:
    """Return the lines of an export.

    Raises:
        ExportInvalid: it is none of the known forms.
    """
    try:
        if data.lstrip()[:1] in (b"{", b"["):
            return _of_pages(orjson.loads(data))
        if lines := tuple(_of_table(data.decode("utf-8-sig"))):
            return Export(None, lines, tuple(sorted({line.day for line in lines})))
        raise ExportInvalid("the table holds no line")
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        InvalidOperation,
        csv.Error,
        OverflowError,
        OSError,
    ) as error:
        raise ExportInvalid(f"this is no export that is read here: {type(error).__name__} {error}"[:300]) from None


def _of_pages(value: Any) -> Export:
    """Read one page of a provider's API, or several in an array."""
    pages = value if isinstance(value, list) else [value]
    buckets = [bucket for page in pages for bucket in page["data"]]
    if not buckets:
        raise ExportInvalid("the export holds no day")
    if any(page.get("has_more") for page in pages[-1:]):
        raise ExportInvalid("the export has more pages: put all of them into one array")
    anthropic = "starting_at" in buckets[0]
    provider, read = ("anthropic", _of_anthropic) if anthropic else ("openai", _of_openai)
    days = tuple(sorted({_day_of(bucket) for bucket in buckets}))
    return Export(provider, tuple(line for bucket in buckets for line in read(bucket)), days)


def _day_of(bucket: Mapping[str, Any]) -> str:
    if "starting_at" in bucket:
        found = datetime.fromisoformat(bucket["starting_at"]).astimezone(UTC)
    else:
        found = datetime.fromtimestamp(bucket["start_time"], UTC)
    return _sane(found.date().isoformat())


def _sane(day: str) -> str:
    if not "2000" <= day < "3000":
        raise ValueError(f"{day} is no day of a bill")
    return day


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.60} is no count")
    return value


def _name(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r:.60} is no name of a model")
    return value or ""


def _of_openai(bucket: Mapping[str, Any]) -> Iterator[Line]:
    day = _day_of(bucket)
    for row in bucket["results"]:
        if "amount" in row:
            model = _name(row.get("line_item")).partition(", ")[0]
            yield Line(day, model, amount=_decimal(row["amount"]["value"]), currency=row["amount"]["currency"].upper())
        else:
            yield Line(
                day, _name(row.get("model")), tokens_in=_count(row["input_tokens"]),
                tokens_out=_count(row["output_tokens"]), requests=_count(row.get("num_model_requests", 0)) or None,
            )  # fmt: skip


def _of_anthropic(bucket: Mapping[str, Any]) -> Iterator[Line]:
    day = _day_of(bucket)
    for row in bucket["results"]:
        if "amount" in row:
            currency = str(row["currency"]).upper()
            yield Line(day, _name(row.get("model")), amount=_decimal(row["amount"]) / 100, currency=currency)
        else:
            created = sum(map(_count, (row.get("cache_creation") or {}).values()))
            read = _count(row["uncached_input_tokens"]) + _count(row["cache_read_input_tokens"]) + created
            yield Line(day, _name(row.get("model")), tokens_in=read, tokens_out=_count(row["output_tokens"]))


def _of_table(text: str) -> Iterator[Line]:
    table = csv.DictReader(io.StringIO(text), strict=True)
    names = [name.strip().lower() for name in table.fieldnames or ()]
    if "day" not in names or not {"amount", "input_tokens", "output_tokens", "requests", "request_id"} & set(names):
        raise ExportInvalid(f"a table needs `day`, and of {', '.join(COLUMNS[1:])} those that it has")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise ExportInvalid(f"a table has the columns {', '.join(COLUMNS)}; not {unknown[0][:60]}")
    for number, row in enumerate(table, start=2):
        yield _of_row({name.strip().lower(): (value or "").strip() for name, value in row.items() if name}, number)


def _of_row(row: Mapping[str, str], number: int) -> Line:
    try:
        day = _sane(datetime.fromisoformat(row["day"]).date().isoformat())
        numbers = [int(row[name]) if row.get(name) else None for name in ("input_tokens", "output_tokens", "requests")]
        amount = _decimal(row["amount"]) if row.get("amount") else None
    except (ValueError, InvalidOperation) as error:
        raise ExportInvalid(f"line {number}: {error}") from None
    if amount is None and all(one is None for one in numbers) and not row.get("request_id"):
        raise ExportInvalid(f"line {number} states nothing: neither an amount nor tokens nor requests")
    currency = (row.get("currency") or "USD").upper()
    return Line(day, row.get("model", ""), row.get("request_id") or None, amount, currency, *numbers)


def _decimal(value: Any) -> Decimal:
    found = Decimal(str(value))
    if not found.is_finite() or abs(found) > MOST:
        raise ValueError("an amount is no number, or larger than any bill")
    return found
