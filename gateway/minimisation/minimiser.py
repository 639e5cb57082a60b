"""What a process minimises with: the detectors, and the lists of the installation."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from classifiers.terms import Terms
from gateway.call import Call, Check
from gateway.errors import Refused
from gateway.minimisation.finder import Finder, Sought
from gateway.minimisation.keeping import Keeping
from gateway.minimisation.replacing import Minimised, minimised, replacing
from gateway.policies.evaluating import Applying
from gateway.policies.lately import AWAY


class Lists(Protocol):
    """The lists of an installation. Both raise `Refused` where one cannot be read."""

    def of(self, names: Iterable[str]) -> Mapping[str, Terms]: ...
    def every(self) -> Mapping[str, Terms]: ...


class Minimiser:
    """Replaces what policies name, and what is not kept."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._finder = Finder()
        self.proved: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
        """What was proved of it, with the versions of the lists."""

    async def sent(self, call: Call, policies: Sequence[Applying]) -> tuple[Call, tuple[Check, ...]]:
        """As `sent_now`; what is long is read in a thread, so that other calls go on."""
        if len(call.body) > AWAY and replacing(policies):
            return await asyncio.to_thread(self.sent_now, call, policies)
        return self.sent_now(call, policies)

    def sent_now(self, call: Call, policies: Sequence[Applying]) -> tuple[Call, tuple[Check, ...]]:
        """Return a call with what providers get of it, and a check for each policy that replaces something.

        Raises:
            Refused: list_unreadable, of a list that one of them names.
        """
        policies = replacing(policies)
        if not policies:
            return call, ()
        try:
            found = self.replaced(call.asked.fields, policies)
        except RecursionError as error:
            raise Refused("invalid_request", "the body is nested too deeply to be read", stage=4) from error
        if not found.changed:
            return call, found.checks
        asked = call.asked._replace(input_bound=call.asked.input_bound + found.grown)
        return call._replace(asked=asked, sent=asked._replace(fields=found.fields), values=found.values), found.checks

    def replaced(self, fields: Mapping[str, Any], policies: Sequence[Applying]) -> Minimised:
        names = dict.fromkeys(name for one in policies if one.policy.replaces for name in one.policy.replaces.terms)
        return minimised(fields, policies, self._lists.of(names), self._finder)

    def lists(self) -> Mapping[str, Terms]:
        """Return every list. Raises `Refused`."""
        return self._lists.every()

    def keeping(self, request: bytes) -> Keeping:
        """Return what makes the contents of a call fit to be kept with `content: redacted`. Raises `Refused`."""
        return Keeping(self._finder, Sought(True, True, tuple(self.lists().values())), request)
