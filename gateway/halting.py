"""What a serving process does when the database went back: it halts the log for all, says so once, and goes on by
itself when a person has declared the loss (docs/guides/operate.md, "When the database goes back")."""

import asyncio

import structlog

from gateway.store import lifecycle
from gateway.store.installation import Installation
from ledger.continuity import WHAT_TO_DO
from ledger.errors import LogHalted, LogWentBack

log = structlog.get_logger()


class Halting:
    """Whether the log is halted, as far as this process has heard."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.halted = False
        self.was_halted = False
        """Since the start: the lease of this process may have gone with what was lost."""

    def heard(self, error: LogWentBack) -> None:
        """Say once that nothing is written any more."""
        if not self.halted:
            log.critical("the log is halted", reason=str(error))
        self.halted = self.was_halted = True

    async def sign(self) -> None:
        """Sign the head, if it is this process's turn and the database goes on from what was signed."""
        try:
            await asyncio.to_thread(self._installation.checkpointer.sign)
        except LogHalted as found:
            await self._halt(found)
        except LogWentBack as error:
            self.heard(error)

    async def _halt(self, found: LogHalted) -> None:
        """Halt every process, because the database contradicts what was signed."""
        if not self.halted:
            log.critical("the log is halted", reason=f"{found}. {WHAT_TO_DO}")
        self.halted = self.was_halted = True
        checkpointer = self._installation.checkpointer
        try:
            await self._installation.log.hand_over(
                lifecycle.halt_unit(str(found), checkpointer.signed_size, checkpointer.gap)
            )
        except LogWentBack:
            return  # it is already

    def over(self) -> None:
        """A unit was committed: a person has declared the loss, or the newer database is back."""
        if self.halted:
            log.warning("the log goes on")
        self.halted = False
