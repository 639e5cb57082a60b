"""Why a call was refused or failed.

    GatewayError
    ├── Refused             decided here, recorded as call.refused; `code` says why
    ├── UpstreamFailed      no target answered; recorded in call.closed
    │   ├── AnswerWithheld  a target answered, but the answer may not be given out
    │   ├── Held            a target answered, and a person must approve what the answer does
    │   └── Limited         every target takes no more for now
    ├── EvidenceLost        the open, or the outcome of a paid answer, could not be made durable
    └── ConfigurationMoved  the configuration changed while the call was being decided: decide again

    UpstreamError           how a transport can fail without an HTTP status; a failed attempt
    ├── UpstreamUnreached   nothing was sent
    │   └── NoCredential    because the provider's key is not usable
    ├── UpstreamTimeout     sent, and no answer in time
    └── UpstreamCut         the connection broke after something was sent

    LedgerError
    └── CallEnded           a second end of one call, refused inside the transaction

An error knows nothing of HTTP: `gateway.web.problems` gives each code a status and each dialect its envelope.
"""

import re
from collections.abc import Mapping
from typing import Any

from ledger.errors import LedgerError


class GatewayError(Exception):
    """Base of all errors of a call. `message` says what to do, in words for the caller."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Refused(GatewayError):
    """The call was refused at `stage` before anything was sent upstream. `inputs` determined it."""

    def __init__(self, code: str, message: str, *, stage: int, inputs: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, message)
        self.stage = stage
        self.inputs = dict(inputs or {})


class UpstreamFailed(GatewayError):
    """The call was opened, and no target gave an answer."""

    def __init__(
        self, code: str, message: str, *, status: int | None = None, body: bytes | None = None,
        wait: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(code, message)
        self.status = status
        self.wait = wait
        """How many seconds the provider asked to wait."""
        self.body = body
        """The provider's own error, to be passed on when it is the caller's to mend (4xx)."""


class Limited(UpstreamFailed):
    """The provider takes no more for now, and bought nothing: the call may be sent again after `wait` seconds."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__("rate_limited", message, status=429, wait=wait)


class AnswerWithheld(UpstreamFailed):
    """The answer broke a rule: it was paid for and recorded, and is not given out."""


class Held(UpstreamFailed):
    """The answer waits for a person: it was paid for and recorded, and is given out once it is approved."""

    def __init__(self, approval: str, message: str) -> None:
        super().__init__("approval_required", message)
        self.approval = approval


_PLACES = re.compile(r'"[^"]*"|\(\d[\d.:]*\)|port \d+')


class EvidenceLost(GatewayError):
    """The record could not be committed: before the open nothing is sent, after it the answer is not given out.

    A caller learns what to do, not where the database stands or what it is called.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, _PLACES.sub("...", message))


class CallEnded(LedgerError):
    """The call has its end already: another process held this one for dead."""


class ConfigurationMoved(GatewayError):
    """Another configuration took effect between deciding and opening."""

    def __init__(self) -> None:
        super().__init__("configuration_moved", "the configuration changed during the call; try again")


class UpstreamError(Exception):
    """Base of the ways an upstream can fail without an HTTP status."""


class UpstreamUnreached(UpstreamError):
    """No connection: nothing was sent, nothing can have been billed."""


class NoCredential(UpstreamUnreached):
    """The provider's key is not usable; says why, without where it stands."""


class UpstreamTimeout(UpstreamError):
    """Sent, and no answer in time: it may be billed."""


class UpstreamCut(UpstreamError):
    """The connection broke after something was sent: it may be billed."""
