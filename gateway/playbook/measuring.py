"""Measuring an installation: rows of its state, its configuration, its packs. Nothing is taken for done unseen."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from classifiers.law.records import stale_line
from gateway.configuration.load import loaded
from gateway.days import day_in_zone
from gateway.economics.costs import whole
from gateway.economics.reading import period_of, sums_of
from gateway.oversight.people import held_roles
from gateway.playbook.points import Facts
from gateway.rules.route import DIRECT
from gateway.scanning.scan import scan
from gateway.state.rollup import slice_of
from gateway.state.rows import CONTROL, control_of
from gateway.store.installation import Installation

DAYS = timedelta(days=30)


def measure(installation: Installation, source: Path | None, gateways: Sequence[str] = ()) -> Facts:
    """Return the figures of an installation.

    Args:
        source: a source tree that is scanned for direct calls.
        gateways: what leads to the gateway in it, as for `scan`.

    Raises:
        ScanRefused: there is no such tree.
    """
    reader, now = installation.reader, installation.clock()
    digest = control_of({CONTROL: reader.state(CONTROL)})["config"]
    text = installation.vault.text(digest) if digest else None
    configuration = loaded(text) if text else None
    zone = configuration.organisation.time_zone if configuration else "UTC"
    sums = sums_of(reader, period_of(day_in_zone(zone, now - DAYS), None, zone, now))
    every = whole(sums)
    return Facts(
        configuration=configuration, digest=digest or "", day=now.date().isoformat(), calls=every.ended,
        by_name=whole({row: one for row, one in sums.items() if slice_of(row).route == DIRECT}).ended,
        cost=every.sums["cost"], named_cost=every.sums["named_cost"], keys=_active_keys(reader.states("key:")),
        workflows={row.removeprefix("workflow:"): one for row, one in reader.states("workflow:").items()},
        outcomes=len(reader.states("done:")), scores=_scores(reader.states("quality:")),
        reviews=_sum(reader.states("review:")), decisions=_sum(reader.states("human:")),
        packs=len({pack for _, pack in reader.linked("pack")}),
        auditors=sum("auditor" in held_roles(row, now) for row in reader.states("person:").values()),
        law_stale=stale_line(now.date().isoformat()) or "",
        leaks=len(scan(source, gateways=gateways).leaks) if source else None,
    )  # fmt: skip


def _active_keys(rows: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((row["environment"], row["workflow"]) for row in rows.values() if row["status"] == "active")


def _scores(rows: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(sum(row[among].values()) for row in rows.values() for among in ("drawn", "always"))


def _sum(rows: Mapping[str, Any]) -> int:
    """Return the sum of the counts that rows hold."""
    return sum(count for row in rows.values() for count in row.values())
