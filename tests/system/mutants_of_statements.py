"""Mutants of what pack.json states: instants, scope, counts, costs, examples."""

from collections.abc import Iterator
from typing import Any

from forging import Draft, call, entry
from mutants_making import (
    ACCEPTED,
    NO_INSTANTS,
    REFUSED,
    Change,
    Mutant,
    counts,
    drawn,
    fact,
    file,
    nested,
    one,
    pack,
    put,
    scope,
    setting,
    unchecked,
    upto,
    whole_log,
    without,
)
from second_verifier import sha, url


def of_statements() -> Iterator[Mutant]:
    for name, at in NO_INSTANTS.items():
        there = "February" in name  # entries lie on both sides of it
        yield one(
            f"pack.json: at with {name}",
            REFUSED,
            *([upto(13)] if there else []),
            pack(at=at if there else at.replace("-02-", "-06-")),
        )
        yield one(f"scope: from with {name}", REFUSED, scope(**{"from": at if there else at.replace("-02-", "-01-")}))
        yield one(f"scope: to with {name}", REFUSED, scope(to=at if there else at.replace("-02-", "-03-")))
    yield one(
        "pack.json: at before the last entry",
        REFUSED,
        pack(at="2026-04-01T23:59:59.999999Z"),
        setting(quoted={0, 1, 19}),
    )
    yield one("pack.json: at before the neighbour", REFUSED, pack(at="2026-04-01T00:00:04.999999Z"))
    yield one("pack.json: at of the last entry of the bundle", ACCEPTED, pack(at="2026-04-01T00:00:05.000000Z"))
    yield one(
        "pack.json: at before an entry that is not in the bundle", ACCEPTED, pack(at="2026-04-01T12:00:00.000000Z")
    )
    yield one(
        "scope: from after to",
        REFUSED,
        scope(**{"from": "2026-03-15T00:00:00.000000Z", "to": "2026-03-14T00:00:00.000000Z"}),
        setting(cut=(18, 18)),
    )
    yield one(
        "scope: from is to",
        ACCEPTED,
        scope(**{"from": "2026-03-15T00:00:00.000000Z", "to": "2026-03-15T00:00:00.000000Z"}),
    )
    for member, value in (
        ("more", 1),
        ("more", None),
        ("workflow", ""),
        ("workflow", 5),
        ("workflow", False),
        ("workflow", ["agent"]),
        ("from", None),
        ("to", 5),
        ("zone", ""),
        ("zone", None),
        ("zone", 1),
        ("zone", "Europe/Berlin\n"),
        ("zone", "Europe Berlin"),
        ("zone", "Z" * 65),
    ):
        yield one(f"scope: {member} is {value!r}", REFUSED, scope_said(member, value))
    for member in ("from", "to", "workflow"):
        yield one(
            f"scope: no {member}",
            REFUSED,
            lambda draft, member=member: draft.on_pack.append(
                lambda said: said.update(scope={n: v for n, v in said["scope"].items() if n != member})
            ),
        )
    yield one("scope: a zone", ACCEPTED, scope(zone="Europe/Berlin"))
    yield one("scope: a workflow", ACCEPTED, scope(workflow="agent"))
    yield one("scope: a workflow that no entry names", ACCEPTED, scope(workflow="nosuch"))
    yield one("scope: a workflow, examples of all", REFUSED, scope(workflow="other"), pack(examples=[call(1)]))
    yield one("pack.json: a member more", REFUSED, pack(more=1))
    yield one("pack.json: a null member more", REFUSED, pack(more=None))
    for member in (
        "schema",
        "log",
        "size",
        "range",
        "scope",
        "seed",
        "catalogue",
        "at",
        "contents",
        "counts",
        "examples",
    ):
        yield one(f"pack.json: no {member}", REFUSED, without(member))
        yield one(f"pack.json: {member} is null", REFUSED, pack(**{member: None}))
    for member, value in (
        ("schema", "whyledger.pack/2"), ("catalogue", "whyledger.pack/2"), ("log", "other"), ("size", "20"), ("size", 20.0), ("size", 21),
        ("range", [7, 18, 20]), ("range", [7]), ("range", ["7", "18"]), ("range", [7.0, 18]), ("range", {"a": 7}), ("range", [7, 17]),
        ("seed", 5), ("seed", False), ("contents", 0), ("contents", 1), ("contents", "false"), ("examples", {}), ("examples", ""),
        ("pack", "x"), ("pack", url(sha(b"x"))),
    ):  # fmt: skip
        yield one(f"pack.json: {member} is {value!r}", REFUSED, pack(**{member: value}))
    yield one(
        "pack.json: range [false, true]",
        REFUSED,
        upto(1),
        scope(**{"from": "2026-01-01T00:00:00.000000Z"}),
        period_over,
        setting(cut=(0, 1)),
        pack(range=[False, True]),
    )
    yield one("pack.json: size true", REFUSED, upto(1), whole_log, setting(contents={}), pack(size=True))
    yield one("pack.json: size 1", unchecked("completeness"), upto(1), whole_log, setting(contents={}), pack(size=1))
    yield one("pack.json: a newline at its end", REFUSED, file("pack.json", lambda data: data + b"\n"))
    yield one("pack.json: a blank", REFUSED, file("pack.json", lambda data: data.replace(b":", b": ", 1)))
    yield one(
        "pack.json: a member twice",
        REFUSED,
        file("pack.json", lambda data: data.replace(b'"contents":false', b'"contents":false,"contents":false')),
    )
    yield one("pack.json: 65 deep", REFUSED, pack(examples=nested(64)))
    yield one(
        "pack.json: an id over other values",
        REFUSED,
        file("pack.json", lambda data: data.replace(b'"seed of the auditor"', b'"seed of the operator"')),
    )
    yield one("pack.json: an empty seed", ACCEPTED, setting(said={"seed": ""}))
    yield one(
        "pack.json: a seed with letters and signs",
        ACCEPTED,
        setting(said={"seed": 'Z\u00fcrich\n"\U0001f600"'}),
        seed='Z\u00fcrich\n"\U0001f600"',
    )
    yield one("seed: the auditor's", ACCEPTED, seed="seed of the auditor")
    yield one("seed: another", REFUSED, seed="mine")
    yield one("seed: an empty one was given, the pack has another", REFUSED, seed="")
    yield one("seed: an empty one, and so has the pack", ACCEPTED, setting(said={"seed": ""}), seed="")
    yield one(
        "examples: another order", REFUSED, lambda draft: draft.on_pack.append(lambda said: said["examples"].reverse())
    )
    yield one("examples: one fewer", REFUSED, lambda draft: draft.on_pack.append(lambda said: said["examples"].pop()))
    yield one(
        "examples: drawn with another seed",
        REFUSED,
        setting(said={"seed": "b"}),
        pack(seed="seed of the auditor", examples=drawn("mine")),
    )
    for name in (
        "entries",
        "opened",
        "closed",
        "refused",
        "interrupted",
        "approvals",
        "overrides",
        "stops",
        "cost_nano_eur",
        "upper_bound",
        "open_at_end",
    ):
        yield one(
            f"counts: no {name}",
            REFUSED,
            lambda draft, name=name: draft.on_pack.append(lambda said: said["counts"].pop(name)),
        )
        yield one(
            f"counts: {name} one more",
            REFUSED,
            lambda draft, name=name: draft.on_pack.append(
                lambda said: said["counts"].update({name: said["counts"][name] + 1})
            ),
        )
        yield one(
            f"counts: {name} with a point",
            REFUSED,
            lambda draft, name=name: draft.on_pack.append(
                lambda said: said["counts"].update({name: float(said["counts"][name])})
            ),
        )
    for name in ("refused", "interrupted", "approvals", "overrides", "stops", "upper_bound", "open_at_end"):
        yield one(f"counts: {name} true for 1", REFUSED, counts(**{name: True}))
    yield one(
        "counts: a kind as true",
        REFUSED,
        lambda draft: draft.on_pack.append(lambda said: said["counts"]["kinds"].update({"stop.engaged": True})),
    )
    yield one(
        "counts: a kind of none",
        REFUSED,
        lambda draft: draft.on_pack.append(lambda said: said["counts"]["kinds"].update({"key.issued": 0})),
    )
    yield one("counts: a member more", REFUSED, counts(more=0))
    yield one("counts: a null member more", REFUSED, counts(more=None))
    yield one(
        "counts: kinds restricted to the workflow",
        REFUSED,
        scope(workflow="other"),
        counts(kinds={"call.opened": 1, "call.interrupted": 1}),
    )
    yield one("counts: entries restricted to the workflow", REFUSED, scope(workflow="other"), counts(entries=2))
    yield one("counts: an approval among the overrides", REFUSED, counts(approvals=0, overrides=2))
    yield one("counts: a reversal among the approvals", REFUSED, counts(approvals=2, overrides=0))
    for action, approved in ((None, 0), ("Approve", 0), (True, 0), (["approve"], 0), ("approve", 1)):
        yield one(
            f"counts: action {action!r}",
            ACCEPTED,
            fact(13, "action", action),
            counts(approvals=1 + approved, overrides=1 - approved),
        )
    yield one("counts: no action", ACCEPTED, put(13, facts={}))


def scope_said(member: str, value: Any) -> Change:
    return lambda draft: draft.on_pack.append(lambda said: said.update(scope=said["scope"] | {member: value}))


def period_over(draft: Draft) -> None:
    draft.log.append(entry(18, "2026-04-01T00:00:05.000000Z", "period.ended"))
    draft.contents.clear()


def of_costs() -> Iterator[Mutant]:
    for seq, kind in ((8, "closed"), (15, "interrupted")):
        for value in ("5", -1, True, False, [], {}, "", "9" * 30):
            yield one(
                f"cost: {value!r} of a call.{kind}",
                REFUSED,
                fact(seq, "cost_nano_eur", value),
                counts(cost_nano_eur=16 if seq == 8 else 107),
            )
        yield one(
            f"cost: 5.0 of a call.{kind}",
            REFUSED,
            fact(seq, "cost_nano_eur", 5.0),
            counts(cost_nano_eur=(21 if seq == 8 else 112)),
        )
        yield one(
            f"cost: -1 of a call.{kind}, counted",
            REFUSED,
            fact(seq, "cost_nano_eur", -1),
            counts(cost_nano_eur=(15 if seq == 8 else 106)),
        )
        yield one(f"cost: null of a call.{kind}", ACCEPTED, fact(seq, "cost_nano_eur", None))
        yield one(f"cost: none of a call.{kind}", ACCEPTED, put(seq, facts={}))
        yield one(f"cost: 0 of a call.{kind}", ACCEPTED, fact(seq, "cost_nano_eur", 0))
    yield one("cost: of another kind, as text", ACCEPTED, fact(12, "cost_nano_eur", "5"))
    yield one("cost: of another kind is not counted", ACCEPTED, fact(12, "cost_nano_eur", 5))
    yield one(
        "cost: as text, of another workflow",
        ACCEPTED,
        fact(15, "cost_nano_eur", "5"),
        scope(workflow="agent"),
        unclear=True,
    )
    yield one(
        "cost: as text, in context",
        ACCEPTED,
        put(18, kind="call.closed", call=call(5), facts={"cost_nano_eur": "5"}),
        unclear=True,
    )
    yield one("cost: the largest sum", ACCEPTED, fact(8, "cost_nano_eur", 2**53 - 1 - 16))
    yield one("cost: a sum beyond 2^53 - 1", REFUSED, fact(8, "cost_nano_eur", 2**53 - 16))
    yield one("open_at_end: closed, then opened again", ACCEPTED, put(16, call=call(1)))
    yield one(
        "open_at_end: closed and opened again, counted by order", REFUSED, put(16, call=call(1)), counts(open_at_end=1)
    )
    yield one("open_at_end: closed before it was opened", ACCEPTED, put(7, call=call(2)), put(8, call=call(5)))
    yield one("open_at_end: opened twice, never closed", ACCEPTED, put(14, call=call(5)), put(15, call=call(1)))
    yield one(
        "open_at_end: opened twice counted twice",
        REFUSED,
        put(14, call=call(5)),
        put(15, call=call(1)),
        counts(open_at_end=2),
    )
    yield one("open_at_end: closed twice", ACCEPTED, put(15, call=call(1)))
    yield one("open_at_end: closed after the range", ACCEPTED, put(18, kind="call.closed", call=call(5)))
    yield one(
        "open_at_end: closed in context only, not counted",
        REFUSED,
        put(18, kind="call.closed", call=call(5)),
        counts(open_at_end=0),
    )
    yield one(
        "open_at_end: a close of another workflow ends no call of this one",
        ACCEPTED,
        put(15, workflow=None),
        scope(workflow="other"),
    )
    yield one("a call.opened without call", ACCEPTED, put(16, call=None), unclear=True)
    yield one("a call.refused without call", ACCEPTED, put(12, call=None), unclear=True)
