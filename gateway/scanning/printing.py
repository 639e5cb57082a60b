"""A scan as lines for a terminal: where, what, and the line to write instead."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from gateway.scanning.finding import Finding, Report, Skipped
from ledger.amounts import counted

SAID = {"direct": "past the gateway", "unclear": "not to be told", "gateway": "through the gateway"}
_SHOWN = 3
"""Findings of one kind in a file that are printed one by one."""
_NAMED = 5


def as_text(report: Report) -> str:
    """Return the report; findings of one kind and file beyond the first three are told by their lines."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    ordered = sorted(report.findings, key=_group)
    for _, found in groupby(ordered, key=_group):
        yield from _told(sorted(found))
    if report.findings:
        yield ""
        yield from _table("by provider", report.counted(lambda one: one.provider))
        yield ""
        yield from _table("by kind", report.counted(lambda one: one.kind))
        yield ""
    yield from _read(report)
    yield _verdict(report)


def _group(one: Finding) -> tuple[str, str, str, str, str]:
    return one.path, one.kind, one.provider, one.status, one.change


def _told(found: Sequence[Finding]) -> Iterator[str]:
    for one in found[:_SHOWN]:
        yield f"{one.path}:{one.line}  {SAID[one.status]}  {one.kind} {one.found} ({one.provider})"
    if more := found[_SHOWN:]:
        lines = ", ".join(str(one.line) for one in more[:_NAMED])
        rest = f" and {counted(len(more) - _NAMED, 'other place')}" if len(more) > _NAMED else ""
        yield f"{found[0].path}  {len(more)} more of this kind: line {lines}{rest}; --json lists all"
    if found[0].change:
        yield f"    change: {found[0].change}"


def _table(title: str, counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    rows = [(title, "past", "not to be told", "through")]
    rows += [(name, str(one["direct"]), str(one["unclear"]), str(one["gateway"])) for name, one in counts.items()]
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    for row in rows:
        yield "  ".join([row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(1, 4))])


def _read(report: Report) -> Iterator[str]:
    yield f"searched {counted(report.files, 'file')}; skipped {_skipped(report.skipped)}"
    for one in report.as_text:
        yield f"{one.path}: {one.why}; searched as plain text"
    for name in report.own:
        yield f"{name}: a package of this tree; imports of it are its own and are not listed"
    for one in report.unread:
        yield f"{one.path}: could not be read ({one.why})"


def _skipped(skipped: Sequence[Skipped]) -> str:
    reasons = sorted({one.why for one in skipped})
    told = []
    for why in reasons:
        paths = [one.path for one in skipped if one.why == why]
        more = ", \u2026" if len(paths) > _SHOWN else ""
        told.append(f"{len(paths)} {why} ({', '.join(paths[:_SHOWN])}{more})")
    return "; ".join(told) or "nothing"


def _verdict(report: Report) -> str:
    direct, unclear = (sum(one.status == status for one in report.findings) for status in ("direct", "unclear"))
    if not direct and not unclear:
        return "nothing was found that goes past the gateway"
    said = f"{counted(direct, 'place')} past the gateway, {unclear} that the source alone does not settle"
    if unclear:
        said += ". What leads to your gateway is named with --gateway HOST or --gateway VARIABLE"
    return said
