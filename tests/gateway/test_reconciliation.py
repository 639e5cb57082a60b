"""Provider exports beside the record, with every number written here."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.economics.exports import ExportInvalid, Line, read_export
from gateway.economics.reconciliation import Match, Recorded, reconcile
from gateway.pricing.money import Rate

RATE = Rate.from_usd_per_eur(Decimal("1.25"), "2026-11-01", "test")
DAY = "2026-11-20"
SECONDS = 1795132800
"""2026-11-20T00:00:00Z."""


def call(
    cost: int, *, model: str = "gpt-4o-2024-08-06", request: str | None = None, day: str = DAY, bounded: bool = False
) -> Recorded:
    return Recorded(f"call_{cost}", day, model, request, cost, bounded, 100, 20)


def openai_costs(*results: tuple[str, float | str]) -> bytes:
    rows = [
        {"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"}, "line_item": item}
        for item, value in results
    ]
    return json.dumps(
        {
            "object": "page",
            "data": [{"object": "bucket", "start_time": SECONDS, "end_time": SECONDS + 86400, "results": rows}],
            "has_more": False,
        }
    ).encode()


def test_openai_s_costs_are_usd_by_model_and_kind() -> None:
    export = read_export(openai_costs(("gpt-4o-2024-08-06, input", 0.5), ("gpt-4o-2024-08-06, output", "0.75")))
    assert export.provider == "openai"
    assert [(line.day, line.model, line.amount, line.currency) for line in export.lines] == [
        (DAY, "gpt-4o-2024-08-06", Decimal("0.5"), "USD"),
        (DAY, "gpt-4o-2024-08-06", Decimal("0.75"), "USD"),
    ]
    (match,) = reconcile(export.lines, [call(400_000_000), call(600_000_000)], RATE)
    assert (match.billed, match.recorded, match.unexplained) == (1_000_000_000, 1_000_000_000, 0)


def test_anthropic_s_costs_are_cents_in_decimal_text() -> None:
    row = {"currency": "USD", "amount": "123.45", "model": "claude-haiku-4-5", "cost_type": "tokens"}
    bucket = {"starting_at": f"{DAY}T00:00:00Z", "ending_at": "2026-11-21T00:00:00Z", "results": [row]}
    export = read_export(json.dumps({"data": [bucket], "has_more": False, "next_page": None}).encode())
    assert export.provider == "anthropic"
    assert export.lines == (Line(DAY, "claude-haiku-4-5", amount=Decimal("1.2345"), currency="USD"),)


def test_usage_is_held_against_tokens() -> None:
    usage = {
        "object": "organization.usage.completions.result",
        "input_tokens": 150,
        "output_tokens": 20,
        "num_model_requests": 1,
        "model": "gpt-4o-2024-08-06",
    }
    body = {"object": "page", "data": [{"start_time": SECONDS, "results": [usage]}], "has_more": False}
    (match,) = reconcile(read_export(json.dumps(body).encode()).lines, [call(5)], RATE)
    assert (match.billed, match.unexplained, match.unexplained_tokens) == (None, 0, 50)
    cached = {
        "uncached_input_tokens": 10,
        "cache_read_input_tokens": 20,
        "cache_creation": {"ephemeral_1h_input_tokens": 30, "ephemeral_5m_input_tokens": 40},
        "output_tokens": 20,
        "model": "claude",
    }
    body = {"data": [{"starting_at": f"{DAY}T00:00:00Z", "results": [cached]}], "has_more": False}
    (match,) = reconcile(read_export(json.dumps(body).encode()).lines, [call(5, model="claude")], RATE)
    assert (match.billed_in, match.unexplained_tokens) == (100, 0)


def test_a_bypass_of_twelve_euro_thirty_four_is_exactly_that() -> None:
    table = (
        f"day,model,request_id,amount,currency\n{DAY},gpt-4o,req_1,0.40,EUR\n{DAY},gpt-4o,req_2,12.34,EUR\n".encode()
    )
    (match,) = reconcile(read_export(table).lines, [call(400_000_000, request="req_1")], RATE)
    assert match.unexplained == 12_340_000_000
    assert match.unknown_requests == ["req_2"]


def test_a_model_is_matched_with_its_dated_form_and_what_only_one_side_knows_stands_alone() -> None:
    lines = [Line(DAY, "gpt-4o", amount=Decimal("1.25")), Line(DAY, "gpt-4o-mini", amount=Decimal("2.5"))]
    calls = [call(10**9), call(7, model="other"), call(9, day="2026-11-21")]
    assert reconcile(lines, calls, RATE) == [
        Match(DAY, "gpt-4o", 10**9, 10**9, calls=1, recorded_in=100, recorded_out=20, rounding=2),
        Match(DAY, "gpt-4o-mini", 2 * 10**9, rounding=1),
        Match(DAY, "other", 0, 7, calls=1, recorded_in=100, recorded_out=20, rounding=1),
    ]


def test_lines_without_a_model_stand_against_all_calls_of_the_day() -> None:
    (match,) = reconcile(
        [Line(DAY, "", amount=Decimal("1.25"))], [call(10**9 - 5), call(5, model="x", bounded=True)], RATE
    )
    assert (match.unexplained, match.calls, match.bounded) == (0, 2, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b'{"data": []}', b'{"data": [{"results": []}]}', b"not,a,known,table\n1,2,3,4\n", b"day,amount\nsoon,1\n",
        b"day,amount\n2026-11-20,much\n", b"day,amount\n2026-11-20,NaN\n", b"day,amount,colour\n2026-11-20,1,red\n", b"day,amount\n", b"\xff\xfe",
        b'{"data": [{"start_time": 99999999999999999, "results": []}]}',
        openai_costs(("x", "Infinity")), openai_costs(("x", 1e40)), b"day,amount\n0001-01-01,1\n", b"day,model,amount\n2026-11-20,x,\n",
        b'{"data": [{"start_time": 1795132800, "results": [{"input_tokens": "5", "output_tokens": 1}]}]}',
        b'{"data": [{"start_time": 1795132800, "results": [{"input_tokens": 5, "output_tokens": 1, "model": 5}]}]}',
    ],
)  # fmt: skip
def test_what_is_no_export_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(ExportInvalid) as found:
        read_export(data)
    assert "\n" not in str(found.value)


def test_pages_that_are_missing_and_other_currencies_are_refused() -> None:
    page = json.loads(openai_costs(("x", 1)))
    with pytest.raises(ExportInvalid, match="more pages"):
        read_export(json.dumps(page | {"has_more": True}).encode())
    both = read_export(json.dumps([page | {"has_more": True}, page]).encode())
    assert len(both.lines) == 2
    with pytest.raises(ExportInvalid, match="EUR and USD"):
        reconcile([Line(DAY, "x", amount=Decimal(1), currency="GBP")], [], RATE)


def test_rounding_of_each_call_is_no_remainder_and_a_cent_is() -> None:
    lines = [Line(DAY, "gpt-4o", amount=Decimal("0.0049125"))]
    exact = [call(1_965_001), call(1_965_000)]  # EUR 0.00393 at 1.25, each call rounded up
    assert reconcile(lines, exact, RATE)[0].is_explained
    assert not reconcile(lines, [call(1_965_000), call(1_964_000)], RATE)[0].is_explained


def test_usd_are_eur_at_the_rate_of_the_day_s_calls() -> None:
    one = replace(call(10**9), rate=(1, 2))
    (match,) = reconcile([Line(DAY, "gpt-4o", amount=Decimal(2))], [one], RATE)
    assert match.is_explained


def test_a_day_that_the_export_covers_and_leaves_empty_is_held_against_the_record() -> None:
    bucket = {"object": "bucket", "start_time": SECONDS, "results": []}
    export = read_export(json.dumps({"object": "page", "data": [bucket], "has_more": False}).encode())
    (match,) = reconcile(export.lines, [call(7 * 10**6)], RATE, export.days)
    assert (match.billed, match.unexplained, match.is_explained) == (0, -7 * 10**6, False)


def test_requests_are_counted() -> None:
    (match,) = reconcile([Line(DAY, "gpt-4o", requests=900)], [call(5)], RATE)
    assert (match.unexplained_requests, match.is_explained) == (899, False)
