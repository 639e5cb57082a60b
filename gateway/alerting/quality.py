"""Alerts of quality: the sum of a series moves with its scores, and raises in the same transaction. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.alerting import cusum
from gateway.configuration.alerts import Alerts
from gateway.evaluation.evaluators import VERDICTS
from ledger.entry import Draft
from ledger.ids import new_id


def cusum_row(facts: Mapping[str, Any]) -> str:
    """Name the row of a series."""
    return f"cusum:{facts['evaluator']}|{facts['series']}"


def watched(draft: Draft, alerts: Alerts) -> int | None:
    """Return the threshold of a score's component in millionths; nothing where none is set or it counts for nothing."""
    threshold = alerts.incorrect.get(draft.facts["component"])
    counts = draft.facts["drawn"] and draft.facts["verdict"] in VERDICTS
    return int(threshold * cusum.MICRO) if threshold and counts else None


def alerts_of(
    drafts: Sequence[Draft], state: Mapping[str, Any], alerts: Alerts, at: datetime, last_change: str
) -> tuple[list[Draft], dict[str, Any]]:
    """Return what scores raise or resolve, and the rows of their series.

    Args:
        last_change: the entry that last changed the configuration, which an alert names.
    """
    found: list[Draft] = []
    rows: dict[str, Any] = {}
    for one in drafts:
        threshold = watched(one, alerts)
        if threshold is None:
            continue
        name, bad = cusum_row(one.facts), one.facts["verdict"] == "incorrect"
        row = cusum.seen(
            rows.get(name) or state.get(name) or cusum.fresh(), str(one.call), bad=bad, threshold_ppm=threshold
        )
        if cusum.alarms(row):
            raised = _raised(one, row, threshold, alerts, at, last_change)
            found.append(raised)
            row = row | {"alert": raised.facts["alert_ref"], "sum": cusum.LIMIT // 2}
        elif cusum.is_over(row):
            found.append(_resolved(one, row, alerts, at))
            row = row | {"alert": None}
        rows[name] = row
    return found, rows


def _raised(
    one: Draft, row: Mapping[str, Any], threshold: int, alerts: Alerts, at: datetime, last_change: str
) -> Draft:
    facts = {
        "alert_ref": new_id("alert", at), "rule": "incorrect", "component": one.facts["component"],
        "evaluator": one.facts["evaluator"], "series": one.facts["series"], "threshold_ppm": threshold,
        "baseline": row["before"], "since": row["since"], "worst": row["worst"], "last_change": last_change,
        "deliver": alerts.webhook is not None,
    }  # fmt: skip
    return Draft(id=new_id("ent", at), kind="alert.raised", workflow=one.workflow, facts=facts)


def _resolved(one: Draft, row: Mapping[str, Any], alerts: Alerts, at: datetime) -> Draft:
    facts = {"alert_ref": row["alert"], "rule": "incorrect", "deliver": alerts.webhook is not None}
    return Draft(id=new_id("ent", at), kind="alert.resolved", workflow=one.workflow, facts=facts)
