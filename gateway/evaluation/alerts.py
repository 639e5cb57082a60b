"""Alerts of quality: the sum of a series moves with its scores, and raises in the same transaction. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.configuration.alerts import Alerts
from gateway.evaluation import cusum
from gateway.evaluation.evaluators import VERDICTS
from gateway.state.rows import alert_row
from ledger.entry import Draft, format_time
from ledger.ids import new_id


def cusum_row(facts: Mapping[str, Any]) -> str:
    """Name the row of a series."""
    return f"cusum:{facts['evaluator']}|{facts['series']}"


def watched(draft: Draft, alerts: Alerts) -> int | None:
    """Return the threshold of a score's component in millionths; nothing where none is set or it counts for nothing."""
    threshold = alerts.incorrect.get(draft.facts["component"])
    counts = draft.facts["drawn"] and draft.facts["verdict"] in VERDICTS
    return int(threshold * cusum.MICRO) if threshold and counts else None


def subject_of(facts: Mapping[str, Any]) -> str:
    """Name what an alert of quality is about: the series."""
    return f"{facts['evaluator']}|{facts['series']}"


def alerts_of(
    drafts: Sequence[Draft],
    state: Mapping[str, Any],
    alerts: Alerts,
    at: datetime,
    last_change: Mapping[str, str],
) -> tuple[list[Draft], dict[str, Any]]:
    """Return what scores raise or resolve, and the rows of their series. No two scores are of one series.

    Args:
        last_change: the last configuration that was activated or prompt that was promoted: `kind`, `entry`, `what`.
    """
    found: list[Draft] = []
    rows: dict[str, Any] = {}
    for one in drafts:
        threshold = watched(one, alerts)
        if threshold is None:
            continue
        name, bad = cusum_row(one.facts), one.facts["verdict"] == "incorrect"
        row = cusum.seen(state.get(name) or cusum.fresh(), str(one.call), bad=bad, threshold_ppm=threshold)
        active = state.get(alert_row("incorrect", subject_of(one.facts)))
        facts = {
            "rule": "incorrect", "subject": subject_of(one.facts), "said_at": format_time(at),
            "deliver": alerts.webhook is not None,
        }  # fmt: skip
        if active is None and row["sum"] >= cusum.LIMIT:
            facts |= _figures(one, row, threshold) | {
                "alert_ref": new_id("alert", at),
                "last_change": dict(last_change),
            }
            found.append(Draft(id=new_id("ent", at), kind="alert.raised", workflow=one.workflow, facts=facts))
            row = row | {"sum": cusum.LIMIT // 2}
        elif active is not None and row["sum"] == 0:
            facts["alert_ref"] = active["alert"]
            found.append(Draft(id=new_id("ent", at), kind="alert.resolved", workflow=one.workflow, facts=facts))
        rows[name] = row
    return found, rows


def _figures(one: Draft, row: Mapping[str, Any], threshold: int) -> dict[str, Any]:
    return {
        "component": one.facts["component"], "evaluator": one.facts["evaluator"], "series": one.facts["series"],
        "threshold_ppm": threshold, "baseline": row["before"], "since": row["since"], "worst": row["worst"],
        **({"prompt": one.facts["prompt"]} if "prompt" in one.facts else {}),
    }  # fmt: skip
