"""Sending messages by signed webhook (Standard Webhooks), until the receiver has taken them; each delivery is an entry.

The id of a message is that of the alert's entry, so a receiver that sees it twice, because a process ended between its
answer and our record of it, knows it for the same.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from gateway.configuration.alerts import Webhook
from gateway.configuration.model import Configuration
from gateway.credentials import CredentialProblem, Credentials
from gateway.state.changes import changes_of
from gateway.store.installation import Installation
from gateway.webhooks import SecretInvalid, signature
from ledger.entry import Draft, format_time
from ledger.ids import new_id
from ledger.unit import State, Step, Unit

log = structlog.get_logger()
TIMEOUT_SECONDS = 10.0
LONGEST = timedelta(hours=1)
DELIVERED = range(200, 300)


class Delivery:
    """Sends what waits, the oldest first; works while this process is the one that signs."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._credentials = Credentials(installation.settings.environment)

    def look(self, configuration: Configuration) -> int:
        """Try what is due; returns how many arrived."""
        webhook, reader = configuration.alerts.webhook, self._installation.reader
        if webhook is None or not self._installation.checkpointer.has_turn():
            return 0
        now, arrived = format_time(self._installation.clock()), 0
        for row, waiting in sorted(reader.states("deliver:").items()):
            if waiting["next"] > now:
                continue
            name = row.removeprefix("deliver:")
            status = self._send(webhook, name, waiting["message"])
            arrived += status in DELIVERED
            self._record(name, waiting, status)
        return arrived

    def _send(self, webhook: Webhook, name: str, message: Mapping[str, Any]) -> int:
        """Return the status of the receiver's answer; 0 where there was none."""
        import httpx2  # a serving process that sends nothing need not load a client

        body = json.dumps(message).encode()
        try:
            secret = self._credentials.of("alerts", webhook.secret) or ""
            headers = _headers(secret, name, body)
            with httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
                return client.post(webhook.url, content=body, headers=headers).status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, CredentialProblem, SecretInvalid) as error:
            log.warning("a message could not be sent; tried again", message=name, reason=type(error).__name__)
            return 0

    def _record(self, name: str, waiting: Mapping[str, Any], status: int) -> None:
        row, tries = f"deliver:{name}", int(waiting["tries"]) + 1

        def run(state: State, at: datetime) -> Step:
            if row not in state:
                return Step()
            if status not in DELIVERED:
                wait = min(LONGEST, timedelta(seconds=5 * 2 ** min(tries, 12)))
                return Step(changes={row: dict(waiting) | {"tries": tries, "next": format_time(at + wait)}})
            facts: dict[str, Any] = {"delivered_ref": name, "status": status, "tries": tries}
            workflow = waiting["message"]["workflow"]
            draft = Draft(id=new_id("ent", at), kind="alert.delivered", workflow=workflow, facts=facts)
            return Step(drafts=[draft], changes=changes_of(draft, state))

        self._installation.log.append(Unit(keys=lambda _at: (row,), run=run))


def _headers(secret: str, name: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    return {
        "content-type": "application/json", "webhook-id": name, "webhook-timestamp": stamp,
        "webhook-signature": signature(secret, name, stamp, body),
    }  # fmt: skip
