"""The policies that replace: which values of a request a provider does not get. Pure.

All of a request is read, not only what is new: what went out in an earlier turn stands in every later one again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

from classifiers.finding import Finding
from classifiers.terms import Terms
from gateway.call import Check
from gateway.configuration.policies import Replaces
from gateway.dialects.leaves import ENCODED, FORMS, Texts, is_thought
from gateway.dialects.strict import written
from gateway.minimisation.finder import Finder, Sought
from gateway.minimisation.placeholders import Placeholders
from gateway.policies.evaluating import Applying
from ledger.entry import NOTHING


class Minimised(NamedTuple):
    """A request with placeholders."""

    fields: Mapping[str, Any]
    values: Mapping[str, str] = NOTHING
    """What the placeholders stand for that are replaced in the answer."""
    grown: int = 0
    """Bytes by which it is longer at most."""
    checks: tuple[Check, ...] = ()
    changed: bool = False


def replacing(policies: Sequence[Applying]) -> tuple[Applying, ...]:
    """Return those that replace something."""
    return tuple([one for one in policies if one.policy.replaces])


def minimised(
    fields: Mapping[str, Any], policies: Sequence[Applying], terms: Mapping[str, Terms], finder: Finder
) -> Minimised:
    """Return a request as the policies that replace want it sent, with a check for each of them.

    Args:
        terms: the lists that they name.
    """
    work = _Work(fields, policies, terms, finder)
    sent = Texts(work.change).of(fields, forms=FORMS)
    names = [*work.names]
    checks = tuple([_check(one, work.found[one.name], terms) for one in policies])
    if not names:
        return Minimised(fields, checks=checks)
    values = {name: value for name, value in work.names.items() if name not in work.kept_away}
    return Minimised(sent, values, work.grown, checks, changed=True)


class _Work:
    """One request that is read and changed."""

    def __init__(
        self, fields: Mapping[str, Any], policies: Sequence[Applying], terms: Mapping[str, Terms], finder: Finder
    ) -> None:
        self._policies, self._finder = policies, finder
        self._sought = _sought([one.policy.replaces for one in policies if one.policy.replaces], terms)
        self._placeholders = Placeholders(lambda: _said_by_others(fields))
        self.names = self._placeholders.values
        self.found: dict[str, Counter[tuple[str, str]]] = {one.name: Counter() for one in policies}
        self.kept_away: set[str] = set()
        self.grown = 0

    def change(self, name: str, text: str) -> str:
        if ENCODED.fullmatch(text):
            return text
        return replaced(text, self._finder.find(name, text, self._sought), partial(self._instead, text))

    def _instead(self, text: str, one: Finding) -> str | None:
        value = text[one.start : one.end]
        seeking = [each for each in self._policies if _seeks(each.policy.replaces, one, value)]
        for each in seeking:
            self.found[each.name][one.kind, one.type] += 1
        seeking = [each for each in seeking if not each.policy.shadow]
        if not seeking:
            return None
        name = self._placeholders.of("credential" if one.kind == "credential" else one.type, value)
        self.grown += max(0, len(name) - len(value.encode("utf-8", "replace")))
        if not all(each.policy.replaces and each.policy.replaces.restores for each in seeking):
            self.kept_away.add(name)
        return name


def _said_by_others(fields: Mapping[str, Any]) -> str:
    """Return a request without what the model said: placeholders that stand there are ours, of an earlier turn."""
    others = {
        name: [one for one in value if not _is_of_model(one)] if isinstance(value, list) else value
        for name, value in fields.items()
    }  # fmt: skip
    return written(others).decode("utf-8", "replace")


def _is_of_model(turn: Any) -> bool:
    return isinstance(turn, dict) and (turn.get("role") in ("assistant", "model") or is_thought(turn))


def replaced(text: str, found: Sequence[Finding], instead: Callable[[Finding], str | None]) -> str:
    """Return a text with what `instead` gives for each finding; the very same one where that is nothing."""
    parts: list[str] = []
    place = 0
    for one in found:
        if (name := instead(one)) is not None:
            parts += [text[place : one.start], name]
            place = one.end
    return "".join([*parts, text[place:]]) if parts else text


def _sought(every: Sequence[Replaces], terms: Mapping[str, Terms]) -> Sought:
    names = dict.fromkeys(name for one in every for name in one.terms)
    return Sought(
        any(one.credentials for one in every), any(one.personal_data for one in every),
        tuple([terms[name] for name in names]),
    )  # fmt: skip


def _seeks(replaces: Replaces | None, one: Finding, value: str) -> bool:
    if replaces is None or any(fnmatchcase(value.casefold(), kept.casefold()) for kept in replaces.keeps):
        return False
    if one.kind == "credential":
        return replaces.credentials
    if one.kind == "term":
        return one.type in replaces.terms
    return "any" in replaces.personal_data or one.type in replaces.personal_data


def _check(one: Applying, found: Counter[tuple[str, str]], terms: Mapping[str, Terms]) -> Check:
    """Say how many of which kind were replaced: no value, and nothing of its form."""
    assert one.policy.replaces is not None
    inputs: dict[str, Any] = {"policy": one.name, "version": one.policy.version}
    if lists := {name: terms[name].version for name in one.policy.replaces.terms}:
        inputs["lists"] = lists
    for kind in ("credential", "personal_data", "term"):
        counts = {type_: count for (of, type_), count in sorted(found.items()) if of == kind}
        inputs |= {kind: counts} if counts else {}
    if not found:
        return Check(f"policy:{one.name}", "pass", "", inputs)
    if one.policy.shadow:
        return Check(f"policy:{one.name}", "flag", "in shadow: would have been replaced", inputs)
    return Check(f"policy:{one.name}", "redact", one.policy.says or "replaced before it was sent", inputs)
