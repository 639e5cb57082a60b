"""What mutants of packs are made with: the mutant itself, and changes of a draft (forging.py) that break one rule each."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from forging import Draft, call, log_key
from second_verifier import form, sha

REFUSED, ACCEPTED = "refused", "accepted"
ALWAYS = {"pinned key", "completeness"}
Change = Callable[[Draft], Any]


def unchecked(*steps: str) -> str:
    return "not checked: " + ", ".join(sorted(steps))


@dataclass(frozen=True)
class Mutant:
    """A pack to be judged, with what the auditor gives, and what must come of it (None: only that both agree)."""

    name: str
    expected: str | None
    data: bytes
    vkeys: tuple[str, ...] = (log_key(1).vkey,)
    held: tuple[bytes, ...] = ()
    seed: str | None = None
    unclear: bool = False
    """The documents can be read both ways; what is expected is the reading of the second verifier."""
    proof: bool = False
    """Whether the step `consistency` counts in the verdict."""

    def asked(self) -> set[str]:
        """The steps that count: a step that nobody asked for is never checked."""
        asked = ALWAYS | ({"seal"} if self.data.startswith(b"%PDF-") else set())
        asked |= {"held head"} if self.held else set()
        asked |= {"consistency"} if self.proof else set()
        return asked | ({"auditor's seed"} if self.seed is not None else set())


def one(
    name: str, expected: str | None, *changes: Change, paper: bool = False, heads: Sequence[Any] = (), **more: Any
) -> Mutant:
    """Build a mutant. `heads`: notes, or sizes of heads of the log as it was drafted."""
    draft = Draft()
    for change in changes:
        change(draft)
    held = tuple(draft.head(head) if isinstance(head, int) else head for head in heads)
    return Mutant(name, expected, draft.paper() if paper else draft.bundle(), held=held, **more)


def put(seq: int, **members: Any) -> Change:
    return lambda draft: draft.log[seq].update(members)


def fact(seq: int, name: str, value: Any) -> Change:
    return lambda draft: draft.log[seq]["facts"].update({name: value})


def drop(seq: int, name: str) -> Change:
    return lambda draft: draft.on_line.update(
        {seq: lambda data: form({key: value for key, value in json.loads(data).items() if key != name})}
    )


def line(seq: int, old: bytes, new: bytes) -> Change:
    """Change the bytes of an entry before it is hashed."""

    def turn(data: bytes) -> bytes:
        assert data.count(old) == 1, (old, data)
        return data.replace(old, new)

    return lambda draft: draft.on_line.update({seq: turn})


def pack(**members: Any) -> Change:
    return lambda draft: draft.on_pack.append(lambda said: said.update(members))


def without(name: str) -> Change:
    return lambda draft: draft.on_pack.append(lambda said: said.pop(name))


def counts(**members: Any) -> Change:
    return lambda draft: draft.on_pack.append(lambda said: said["counts"].update(members))


def scope(**members: Any) -> Change:
    return lambda draft: draft.scope.update(members)


def file(name: str, turn: Callable[[bytes], bytes]) -> Change:
    return lambda draft: draft.on_file.append((name, turn))


def swap(name: str, old: bytes, new: bytes) -> Change:
    def turn(data: bytes) -> bytes:
        assert old in data, (name, old)
        return data.replace(old, new, 1)

    return file(name, turn)


def note(turn: Callable[[bytes], bytes]) -> Change:
    return lambda draft: draft.on_note.append(turn)


def setting(**members: Any) -> Change:
    def change(draft: Draft) -> None:
        for name, value in members.items():
            setattr(draft, name, value)

    return change


def keep(*numbers: int) -> Change:
    """Of the log, keep these entries only."""
    return lambda draft: setattr(draft, "log", [draft.log[i] for i in numbers])


def upto(size: int) -> Change:
    return keep(*range(size))


def disclose(seq: int, name: str, array: bytes) -> Change:
    return lambda draft: draft.contents.update({(seq, name): array})


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


ARABIC = str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669")
NO_INSTANTS = {
    "30 February": "2026-02-30T10:00:00.000000Z", "29 February of no leap year": "2026-02-29T10:00:00.000000Z",
    "day 32": "2026-02-32T10:00:00.000000Z", "24:00:00": "2026-02-28T24:00:00.000000Z",
    "minute 60": "2026-02-28T22:60:00.000000Z", "second 60": "2026-02-28T22:59:60.000000Z",
    "no decimals": "2026-02-28T23:00:00Z", "three decimals": "2026-02-28T23:00:00.000Z",
    "seven decimals": "2026-02-28T23:00:00.0000000Z", "a comma": "2026-02-28T23:00:00,000000Z",
    "lower-case z": "2026-02-28T23:00:00.000000z", "lower-case t": "2026-02-28t23:00:00.000000Z",
    "a blank for T": "2026-02-28 23:00:00.000000Z", "an offset": "2026-02-28T23:00:00.000000+00:00",
    "no Z": "2026-02-28T23:00:00.000000", "a newline behind": "2026-02-28T23:00:00.000000Z\n",
    "Arabic digits": "2026-02-2" + "8T23:00:00.000000Z".translate(ARABIC), "one digit for the hour": "2026-02-28T9:00:00.000000Z",
}  # fmt: skip


def whole_member(seq: int, name: str, value: Any) -> Change:
    def turn(data: bytes) -> bytes:
        return form(json.loads(data) | {name: value})

    return lambda draft: draft.on_line.update({seq: turn})


def digests(good: str) -> dict[str, str]:
    """What is not quite this digest."""
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return {
        "unused bits": good[:-1] + last[last.index(good[-1]) + 1], "padding": good + "=", "a character less": good[:-1],
        "a newline": good + "\n", "the other alphabet": "+" + good[1:], "hexadecimal digits": "00" * 32, "nothing": "",
    }  # fmt: skip


def whole_log(draft: Draft) -> None:
    """The period begins with the log."""
    draft.scope["from"] = "0001-01-01T00:00:00.000000Z"


def drawn(seed: str) -> list[str]:
    return sorted((call(i) for i in (1, 2, 3, 4, 5)), key=lambda name: sha(f"{seed}\n{name}".encode()))[:3]


def unused_bits(hash_: str) -> str:
    """The same 32 bytes in base64 with padding whose unused bits are not zero."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return hash_[:-2] + letters[letters.index(hash_[-2]) + 1] + "="
