#!/bin/sh
# The Python library of Standard Webhooks signs another instant than the one it is given, if that is not in UTC.
#
# Seen on 2026-11-28 with standardwebhooks 1.1.0 (PyPI) on Python 3.11: `Webhook.sign(msg_id, timestamp, data)` takes an
# aware datetime and replaces its zone by UTC instead of converting it: 10:00+01:00 is signed as 10:00 UTC. A sender that
# puts the instant's Unix time into `webhook-timestamp`, as the specification asks, has a message that the library's own
# `verify` refuses. A naive local datetime is taken for UTC in the same way. In UTC all is well, so it is found when a
# server's code passes local time.
# Where it stands: `timestamp.replace(tzinfo=timezone.utc)` in `sign`, standardwebhooks/webhooks.py.
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
now = datetime.now(timezone.utc).replace(microsecond=0)
found = {}
for name, zone in {"UTC": timezone.utc, "UTC+1": timezone(timedelta(hours=1))}.items():
    moment = now.astimezone(zone)  # the same instant, written in another zone
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": webhook.sign("msg_1", moment, "{}"),
    }
    try:
        webhook.verify("{}", headers)
        found[name] = "verified"
    except WebhookVerificationError as error:
        found[name] = f"refused: {error}"
    print(f"standardwebhooks {version('standardwebhooks')}, signed with the instant in {name}: {found[name]}")
sys.exit(found != {"UTC": "verified", "UTC+1": "refused: No matching signature found"})
PYTHON
