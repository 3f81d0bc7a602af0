"""Loaded by schemathesis: makes what it thinks up good enough to get past the door.

Every webhook is signed, and every message has what no schema can ask for (somebody who wrote it, something in it).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests
import schemathesis

from channels import _standard_webhooks as webhooks
from channels.base import Secret

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    for one in body if isinstance(body, list) else [body]:
        if isinstance(one, dict):
            one["sender"] = {"id": "u1", **{k: v for k, v in (one.get("sender") or {}).items() if v}}
            one["external_id"] = one.get("external_id") or "m1"
            one["text"] = one.get("text") or "?"
            one["kind"], one["refers_to"] = "message", ""
            one.pop("attachments", None)
    return body


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.path != "/in/api/{account}":
        return
    made = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
    body = made.body.encode() if isinstance(made.body, str) else bytes(made.body or b"")  # type: ignore[arg-type]
    case.headers.update(webhooks.sign(SECRET, "fuzz", datetime.now(UTC), body))
