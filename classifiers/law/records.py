"""The law data: records with text versions, intervals, bearers and sources, as they stood in the books of a day."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from classifiers.facts import Fact, FactsInvalid
from classifiers.resources import parsed

FILES = ("sources", "dates", "facts", "rules", "debates", "duties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a sentence stands: the id of a row of sources.yaml, and the place in it."""

    id: str
    locus: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One provision that facts can meet, in the wording of a day."""

    id: str
    group: str
    provision: str
    bearer: tuple[str, ...]
    when: Mapping[str, Any]
    text: str
    source: Source
    binds: str | None = None
    overlay: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A class: when it holds, which groups of points carry it, and when its duties start to bind."""

    tier: str
    when: Mapping[str, Any]
    basis: tuple[str, ...]
    binds: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Debate:
    """Two readings of the law: the class follows `label`, the second is the result with `treat`."""

    id: str
    when: Mapping[str, Any]
    treat: Mapping[str, Any]
    label: str
    second: str
    sources: tuple[Source, ...]
    without_draft: str = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The law in the books on one day."""

    at: str
    draft: bool
    """Draft guidance is taken into account."""
    digest: str
    version: str
    checked_on: str
    recheck_by: str
    facts: Mapping[str, Fact]
    switches: Mapping[str, bool]
    terms: Mapping[str, Mapping[str, Any]]
    points: Mapping[str, Point]
    groups: Mapping[str, Mapping[str, Any]]
    tiers: tuple[Tier, ...]
    severity: tuple[str, ...]
    binds: Mapping[str, tuple[Mapping[str, Any], ...]]
    debates: tuple[Debate, ...]
    starts: Mapping[str, str]
    tried: tuple[str, ...]
    words: Mapping[str, str]
    roles: tuple[str, ...]

    def said(self, name: str) -> str:
        """Return a class or overlay in plain words."""
        return self.words.get(name, name)

    def group(self, name: str) -> Iterator[Point]:
        return (point for point in self.points.values() if point.group == name)

    def day(self, start: str) -> str | None:
        """Return the day of a start, or the day itself if one is written; nothing if the books of the day have none."""
        return start if start[:1].isdigit() else self.starts.get(start)


@cache
def data() -> tuple[Mapping[str, Any], str]:
    """Return what the files say, by the name of the file, and the digest of them all: SHA-256, base64url."""
    folder, total, said = files("classifiers.law"), hashlib.sha256(), {}
    for name in FILES:
        text = folder.joinpath(f"{name}.yaml").read_bytes()
        total.update(hashlib.sha256(text).digest())
        said[name] = _frozen(parsed(text))
    return said, urlsafe_b64encode(total.digest()).decode().rstrip("=")


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(one) for key, one in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def vocabulary() -> Mapping[str, Fact]:
    """Return the questions by the name of the fact, in the order in which they are asked."""
    return {
        name: Fact(
            name=name, group=row["group"], type=row["type"], question=row["question"], source=row["source"],
            assumed=frozenset(row["assumed"]) if row["type"] == "set_of" else row["assumed"],
            values=row.get("values", {}),
        )
        for name, row in data()[0]["facts"]["facts"].items()
    }  # fmt: skip


@lru_cache(maxsize=64)
def law_on(at: str, *, draft: bool = True) -> Law:
    """Return the law in the books on a day.

    Raises:
        FactsInvalid: the data do not reach back to that day.
    """
    said, digest = data()
    rules, dates = said["rules"], said["dates"]
    if at < dates["first_day"]:
        raise FactsInvalid(f"the law data begin on {dates['first_day']}; {at} is before")
    points = [(row, valid) for row in rules["points"] if (valid := in_books(row["versions"], at))]
    return Law(
        at=at, draft=draft, digest=digest, version=dates["data_version"], checked_on=dates["checked_on"],
        recheck_by=dates["recheck_by"], facts=vocabulary(), switches=rules["switches"], groups=rules["groups"],
        terms={name: when for name, row in rules["terms"].items() if (when := _when(row, at)) is not None},
        points={row["id"]: _point(row, valid) for row, valid in points},
        tiers=tuple(Tier(**row) for row in rules["tiers"]), severity=rules["severity"], binds=rules["binds"],
        debates=tuple(Debate(**row | {"sources": tuple(Source(**one) for one in row["sources"])})
                      for row in said["debates"]["debates"]),
        starts=_starts(dates["starts"], at),
        tried=dates["tried"], words=rules["words"], roles=rules["roles"],
    )  # fmt: skip


def in_books(versions: tuple[Mapping[str, Any], ...], at: str) -> Mapping[str, Any] | None:
    """Return the version that stood in the books on a day."""
    return next((one for one in versions if one["from"] <= at <= (one["until"] or "9999-12-31")), None)


def _starts(rows: Mapping[str, Any], at: str) -> dict[str, str]:
    found = {name: in_books(row["versions"], at) for name, row in rows.items()}
    return {name: valid["day"] for name, valid in found.items() if valid}


def _when(row: Mapping[str, Any], at: str) -> Mapping[str, Any] | None:
    valid = in_books(row["versions"], at) if "versions" in row else row
    return valid["when"] if valid else None


def _point(row: Mapping[str, Any], valid: Mapping[str, Any]) -> Point:
    own = {key: value for key, value in row.items() if key != "versions"}
    return Point(**own | {"text": valid["text"], "source": Source(**valid["source"])})


def stale_line(today: str) -> str | None:
    """Return what has to be said when the law data were not checked by their day."""
    dates = data()[0]["dates"]
    if today <= dates["recheck_by"]:
        return None
    return (
        f"The law data of {dates['checked_on']} were to be checked again by {dates['recheck_by']}; nobody has recorded "
        "that. What changed since is not in them."
    )
