"""What people do. Each act is a unit: the role is checked inside the transaction that records it."""

import difflib
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from re import fullmatch
from typing import Any

from gateway.configuration.load import digest, load, loaded
from gateway.configuration.model import UNDESCRIBED, Configuration
from gateway.configuration.releases import release_digest, released_parts
from gateway.days import day_in_zone
from gateway.oversight.people import AUDITOR, PERSON, ROLES, Actor, ActRefused, Box, new_token
from gateway.pricing.catalogue import compile_rows
from gateway.state.changes import changes_of_all
from gateway.state.rows import CONTROL, DATED, barred, control_of, human_row
from gateway.store.installation import Installation
from ledger.entry import Draft, format_time
from ledger.ids import new_id
from ledger.store.vault import LEDGER_KEY
from ledger.unit import State, Step, Unit, Written
from reports.why.words import ACTIONS, REASON_CODES

MOST_WORDS = 10_000
AUDITOR_TIME = timedelta(days=90)
_STOPPERS = ("engineer", "compliance", "approver", "admin")


def act(
    installation: Installation, kind: str, actor: Actor | None, *, roles: Sequence[str] = (), keys: Sequence[str] = (),
    facts: Mapping[str, Any], texts: Mapping[str, object] | None = None, key_ref: str = LEDGER_KEY,
    refs: Mapping[str, str] | None = None, task: str | None = None, call: str | None = None,
    workflow: str | None = None, sub: str | None = None, check: Callable[[State], None] | None = None,
    more: Callable[[State, datetime], list[Draft]] | None = None,
) -> Written:  # fmt: skip
    """Append one act: check the actor's role and `check` on the state rows, then record it with its sealed texts."""
    entry_id = new_id("ent", installation.clock())
    c, contents = installation.vault.seal(texts, entry_id=entry_id, key_ref=key_ref) if texts else ({}, None)
    said = dict(facts) | ({"assurance": actor.assurance} if actor else {})
    if kind in DATED:
        said["day"] = day_in_zone(time_zone(installation), installation.clock())
    draft = Draft(
        id=entry_id, kind=kind, call=call, task=task, workflow=workflow, sub=sub,
        act=actor.pseudonym if actor else None, facts=said, refs=refs or {}, c=c, contents=contents,
    )  # fmt: skip

    rows = [CONTROL, *keys, *([actor.row] if actor else []), *_counted(kind, said, workflow)]

    def run(state: State, at: datetime) -> Step:
        if actor and roles:
            actor.require(state, at, *roles)
        elif actor:
            actor.require_token(state)
        if check:
            check(state)
        drafts = [draft, *(more(state, at) if more else ())]
        return Step(drafts=drafts, changes=changes_of_all(drafts, state))

    return installation.log.append(Unit(keys=lambda _at: rows, run=run))


def _counted(kind: str, facts: Mapping[str, Any], workflow: str | None) -> list[str]:
    """Name the rows in which an act is counted."""
    rows = [human_row(facts["day"], workflow)] if kind in DATED else []
    return [*rows, f"incident:{facts['incident_ref']}"] if kind.startswith("incident.") else rows


def bind_signer(installation: Installation) -> None:
    """Record the log key and the certificate of the PDF seal: the first entry of a log."""
    facts = {"vkey": installation.signer.vkey, "seal_certificate": installation.seal_key.digest, "custody": "file"}
    facts["signer_ref"] = "log"  # by which all bindings of keys are found
    act(installation, "signer.added", None, facts=facts)


def enrol(
    installation: Installation, actor: Actor | None, name: str, roles: Sequence[str], box: Box | None = None
) -> str:
    """Enrol a person and return their personal token, which is kept nowhere. The first admin enrols themselves.

    Args:
        box: of an auditor; without one 90 days and all workflows.

    Raises:
        ActRefused: unknown role, already enrolled, or the actor is no admin.
    """
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise ActRefused(f"roles are {', '.join(ROLES)}; not {', '.join(unknown) or 'none'}")
    if not name.strip() or len(name) > 200:
        raise ActRefused("a person needs a name of at most 200 characters")
    subject = installation.vault.subject(PERSON, name)
    row = f"person:{subject.pseudonym}"

    def check(state: State) -> None:
        if row in state:
            raise ActRefused(f"{name} is already enrolled")

    if installation.reader.state(row):
        raise ActRefused(f"{name} is already enrolled")
    token = new_token()
    installation.vault.remember_token(token, subject.pseudonym)
    facts = {"person_ref": subject.pseudonym, "roles": sorted(set(roles))} | boxed(installation, roles, box)
    first = actor or Actor(subject.pseudonym, "first")
    act(
        installation, "person.enrolled", first, roles=("admin",) if actor else (), keys=(row,), facts=facts,
        texts={"name": name}, key_ref=subject.ref, check=check,
    )  # fmt: skip
    return token


def boxed(installation: Installation, roles: Sequence[str], box: Box | None) -> dict[str, Any]:
    """Return the facts of an auditor's box."""
    if AUDITOR not in roles:
        if box:
            raise ActRefused("an end and workflows are for the role auditor")
        return {}
    box = box or Box(format_time(installation.clock() + AUDITOR_TIME))
    if box.until <= format_time(installation.clock()):
        raise ActRefused(f"the end {box.until} is over already")
    if unknown := [one for one in box.workflows if installation.reader.state(f"workflow:{one}") is None]:
        raise ActRefused(f"no workflow {unknown[0]} is on record")
    return {"until": box.until, "workflows": sorted(set(box.workflows))}


def activate(installation: Installation, actor: Actor, text: str, reason: str) -> str:
    """Put a configuration into force and return its digest. New and changed workflows are registered with it.

    Raises:
        ConfigurationError: the text is not a valid configuration.
        ActRefused: no reason, or the actor is neither engineer nor admin.
    """
    configuration = load(text)
    require_reason(reason)
    prices = compile_rows(configuration)
    refs = {"config": digest(text), "prices": digest(prices)}
    installation.vault.keep_text(refs["config"], text)
    installation.vault.keep_text(refs["prices"], prices)
    before = control_of({CONTROL: installation.reader.state(CONTROL)})["generation"]
    known = [row.removeprefix("workflow:") for row in installation.reader.states("workflow:")]
    names = list(dict.fromkeys([*configuration.workflows, *known]))

    def unchanged(state: State) -> None:
        if control_of(state)["generation"] != before:
            raise ActRefused("something else took effect meanwhile: look at it, then activate again")

    def registrations(state: State, at: datetime) -> list[Draft]:
        """What a release is bound to is registered again whenever it changes."""
        return [
            _registration(configuration, name, refs["config"], actor, at)
            for name in names
            if (state.get(f"workflow:{name}") or {}).get("version") != release_digest(configuration, name)
        ]

    facts = {
        "routes": len(configuration.routes),
        "workflows": len(configuration.workflows),
        "config_ref": refs["config"],
    }
    act(
        installation, "config.activated", actor, roles=("engineer", "admin"),
        keys=[f"workflow:{name}" for name in names], facts=facts, refs=refs, texts={"reason": reason},
        check=unchanged, more=registrations,
    )  # fmt: skip
    return refs["config"]


def _registration(configuration: Configuration, name: str, config: str, actor: Actor, at: datetime) -> Draft:
    described = configuration.workflows.get(name, UNDESCRIBED)
    return Draft(
        id=new_id("ent", at), kind="workflow.registered", workflow=name, act=actor.pseudonym,
        facts={"role": described.role, "tools": list(described.tools)[:64], "workflow_ref": name},
        refs={"workflow": release_digest(configuration, name), "config": config},
    )  # fmt: skip


def issue_key(
    installation: Installation, actor: Actor, environment: str, workflow: str, cap: int | None = None, *,
    new: bool = False,
) -> str:  # fmt: skip
    """Issue a gateway key for one workflow in one environment; returns the secret, which is kept nowhere.

    Args:
        cap: a hard daily cap of this key, nano-EUR.
        new: register the workflow if nobody has named it yet; else that is refused, as a mistyped name would be.
    """
    configuration, config = active_configuration(installation)
    if environment not in configuration.environments:
        raise ActRefused(f"environment is one of {', '.join(configuration.environments)}, not {environment}")
    if not fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}", workflow):
        raise ActRefused("a workflow's name is up to 100 letters, digits, dots, dashes, colons and slashes")
    if not new:
        require_named(installation, workflow)
    secret = f"wl_{environment}_{secrets.token_urlsafe(32)}"
    key = new_id("key", installation.clock())
    installation.vault.remember_token(secret, key)
    facts: dict[str, Any] = {"key": key, "key_ref": key, "environment": environment}
    if cap is not None:
        facts["max_daily_nano_eur"] = cap

    def registration(state: State, at: datetime) -> list[Draft]:
        """A workflow that the file does not describe is registered with its first key."""
        if f"workflow:{workflow}" in state:
            return []
        if control_of(state)["config"] != config:
            raise ActRefused("another configuration took effect meanwhile: try again")
        return [_registration(configuration, workflow, config, actor, at)]

    act(
        installation, "key.issued", actor, roles=("engineer", "admin"), keys=(f"workflow:{workflow}",), facts=facts,
        workflow=workflow, more=registration,
    )  # fmt: skip
    return secret


def require_named(installation: Installation, workflow: str) -> None:
    """Refuse a workflow that is not registered: whatever a configuration in force has described is.

    Raises:
        ActRefused: with the names it may have been meant to be.
    """
    known = sorted(row.removeprefix("workflow:") for row in installation.reader.states("workflow:"))
    if workflow not in known:
        near = difflib.get_close_matches(workflow, known, 3) or known[:10]
        meant = f"did you mean {' or '.join(near)}?" if near else "there is none yet."
        raise ActRefused(
            f"workflow {workflow} is neither described in the configuration nor registered; {meant} "
            "To register it as it is, without a description and without tools, add --new"
        )


def revoke_key(installation: Installation, actor: Actor, secret_or_id: str, reason: str) -> str:
    """Revoke a gateway key, given its id or itself; returns the id."""
    key = installation.vault.owner_of(secret_or_id) or secret_or_id
    row = f"key:{key}"
    if installation.reader.state(row) is None:
        raise ActRefused("no gateway key by this id or secret")
    require_reason(reason)
    facts = {"key": key, "key_ref": key}
    act(
        installation, "key.revoked", actor, roles=("engineer", "compliance", "admin"), keys=(row,), facts=facts,
        texts={"reason": reason},
    )  # fmt: skip
    return key


def release(installation: Installation, actor: Actor, workflow: str, reason: str) -> dict[str, Any]:
    """Release a workflow for use in prod, as it is now: a named person takes responsibility for it.

    Returns what the release is bound to (`released_parts`). When that changes, it holds no more.

    Raises:
        ActRefused: not registered, changed meanwhile, no reason, or neither compliance nor admin.
    """
    require_reason(reason)
    row = f"workflow:{workflow}"
    if installation.reader.state(row) is None:
        raise ActRefused(
            f"workflow {workflow} is not registered: describe it in the configuration, or `whyledger key create --new`"
        )
    configuration, config = active_configuration(installation)
    seen = release_digest(configuration, workflow)

    def check(state: State) -> None:
        if (state.get(row) or {}).get("version") != seen:
            raise ActRefused(f"{workflow} is registered as something else: activate the configuration, then release")
        if barred(state[row], installation.clock().date().isoformat()):
            raise ActRefused(f"{workflow} is classified as a practice that is prohibited; it cannot be released")

    act(
        installation, "workflow.released", actor, roles=("compliance", "admin"), keys=(row,),
        facts={"workflow_ref": workflow}, refs={"workflow": seen, "config": config}, texts={"reason": reason},
        workflow=workflow, check=check,
    )  # fmt: skip
    return released_parts(configuration, workflow)


def active_configuration(installation: Installation) -> tuple[Configuration, str]:
    """Return the configuration in force and its digest.

    Raises:
        ActRefused: there is none.
    """
    control = control_of({CONTROL: installation.reader.state(CONTROL)})
    text = installation.vault.text(control["config"]) if control["config"] else None
    if text is None:
        raise ActRefused("no configuration is active yet: whyledger config activate FILE --as PERSON --reason TEXT")
    return loaded(text), str(control["config"])


def time_zone(installation: Installation) -> str:
    """Return the organisation's time zone; UTC while no configuration is active."""
    try:
        return active_configuration(installation)[0].organisation.time_zone
    except ActRefused:
        return "UTC"


def stop_scope(
    installation: Installation, *, everything: bool = False, key: str | None = None, task: str | None = None,
    workflow: str | None = None,
) -> tuple[str, str | None]:  # fmt: skip
    """Return the scope of a stop and the pseudonym of the task it names, if it does.

    Raises:
        ActRefused: not exactly one of the four, or there is no such key or workflow.
    """
    if sum(map(bool, (everything, key, task, workflow))) != 1:
        raise ActRefused("name exactly one of: all, a key, a task, a workflow")
    if everything:
        return "all", None
    if task:
        pseudonym = installation.vault.pseudonym("task", task)
        return f"task:{pseudonym}", pseudonym
    kind, name = ("key", installation.vault.owner_of(key) or key) if key else ("workflow", workflow)
    if installation.reader.state(f"{kind}:{name}") is None:
        raise ActRefused(f"there is no {kind} {name if kind == 'workflow' else 'by this id'}")
    return f"{kind}:{name}", None


def stop(installation: Installation, actor: Actor, scope: tuple[str, str | None], reason: str) -> None:
    """Stop a scope: no call in it is opened any more, running streams end."""
    require_reason(reason)
    name, task = scope
    workflow = name.removeprefix("workflow:") if name.startswith("workflow:") else None
    act(
        installation, "stop.engaged", actor, roles=_STOPPERS, facts={"scope": name, "scope_ref": name},
        texts={"reason": reason}, task=task, workflow=workflow,
    )  # fmt: skip


def release_stop(installation: Installation, actor: Actor, scope: tuple[str, str | None], reason: str) -> None:
    """Lift a stop."""
    require_reason(reason)
    name, task = scope

    def check(state: State) -> None:
        if name not in control_of(state)["stops"]:
            raise ActRefused("this scope is not stopped")

    act(
        installation, "stop.released", actor, roles=("compliance", "approver", "admin"),
        facts={"scope": name, "scope_ref": name}, texts={"reason": reason}, task=task, check=check,
    )  # fmt: skip


def override(
    installation: Installation, actor: Actor, call: str, *, action: str, reason_code: str | None, reason: str,
    presented: str, before: str | None, after: str | None,
) -> str:  # fmt: skip
    """Record that a person approved, changed, disregarded, reversed or interrupted what a call did; returns its id.

    Raises:
        ActRefused: unknown call, action or reason code; R99 or a reversal without words; not an approver.
    """
    if action not in ACTIONS:
        raise ActRefused(f"action is one of {', '.join(ACTIONS)}")
    listed = ", ".join(f"{code} {words}" for code, words in REASON_CODES.items())
    if action == "approve" and reason_code:
        raise ActRefused("an approval takes no reason code: every code is a reason against; say why in words")
    if action != "approve" and reason_code not in REASON_CODES:
        raise ActRefused(f"reason code is one of: {listed}")
    if not reason.strip() and (reason_code == "R99" or action == "reverse"):
        raise ActRefused("add a reason in words: it is required for reverse and for R99")
    opened = [one for one in installation.reader.entries(installation.reader.find("call", call)) if one.call == call]
    if not opened:
        raise ActRefused(f"there is no call {call}")
    texts = {"reason": reason, "presented": presented, "before": before, "after": after}
    written = act(
        installation, "override.recorded", actor, roles=("approver", "compliance", "admin"),
        facts={"action": action, "reason_code_ref": reason_code or None}, texts={k: v for k, v in texts.items() if v},
        call=call, task=opened[0].task, workflow=opened[0].workflow,
    )  # fmt: skip
    return written.receipts[0].id


def require_reason(reason: str) -> None:
    """Refuse an act without a reason, and one with more words than it takes."""
    if len(reason) > MOST_WORDS:
        raise ActRefused(f"a reason has at most {MOST_WORDS} characters")
    if not reason.strip():
        raise ActRefused("say why: --reason TEXT")
