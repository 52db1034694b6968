"""Tells a program of yours, and hears its answer: Standard Webhooks, signed both ways.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import binascii
import hmac
import time
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Literal

import msgspec

from ...model import Prepared
from ...plugin.channel import Forged, Heard, Reply
from ..client import Client
from .callbacks import check_time, read, told

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Callback, Context

PREFIX = "whsec_"
KEY_MIN, KEY_MAX = 24, 64
"""Bytes of a secret, as the specification asks."""

SIGNATURES_MAX = 8
"""Most signatures of one callback that are looked at: several while a secret is replaced."""


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the program listens, and what signs both ways: `whsec_` and 24 to 64 bytes in
    base64.
    """

    url: str
    secret: str


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    approval: str
    answer: Literal["approve", "deny"]
    user: str
    comment: str = ""
    scope: str = "once"


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["approval.answer"]
    data: _Data
    timestamp: str = ""


_EVENT = Prepared(_Event)


class WebhookApprover:
    """Posts `approval.requested` and `approval.decided`, and hears `approval.answer`."""

    Settings = WebhookSettings

    def __init__(self, settings: WebhookSettings, context: Context) -> None:
        self._url = settings.url
        self._key = _key(settings.secret)
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Send the request; the message is called by its own id."""
        return self._send(request, "requested")

    def update(self, request: Request, reference: str) -> None:
        """Send what became of it."""
        self._send(request, "decided")

    def hear(self, callback: Callback) -> Heard | Reply:
        """The answer of a signed callback."""
        headers = callback.headers
        id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        given = headers.get("webhook-signature", "").split(" ")[:SIGNATURES_MAX]
        check_time(stamp, callback.now)
        signed = self._signature(id, stamp, callback.body)
        if not id or not any(hmac.compare_digest(each.encode(), signed) for each in given):
            raise Forged("the signature of the callback is wrong")
        data = read(callback.body, _EVENT, "answer").data
        yes = data.answer == "approve"
        return Heard(data.approval, yes, data.user, id, data.comment, data.scope)

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """The state of the request, or why the answer was not taken."""
        return told(request, said)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _send(self, request: Request, event: str) -> str:
        id = f"{request.id}.{event}"
        stamp = str(int(time.time()))
        body = msgspec.json.encode({"type": f"approval.{event}", "data": _data(request)})
        headers = {
            "webhook-id": id,
            "webhook-timestamp": stamp,
            "webhook-signature": self._signature(id, stamp, body).decode(),
        }
        self._client.send("POST", self._url, body, headers)
        return id

    def _signature(self, id: str, stamp: str, body: bytes) -> bytes:
        signed = b".".join((id.encode(), stamp.encode(), body))
        return b"v1," + b64encode(hmac.digest(self._key, signed, "sha256"))


def _key(secret: str) -> bytes:
    """The bytes of a secret. Raises ValueError."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or not KEY_MIN <= len(key) <= KEY_MAX:
        raise ValueError(
            f"`secret` has to be `{PREFIX}` and {KEY_MIN} to {KEY_MAX} bytes in base64"
        )
    return key


def _data(request: Request) -> dict[str, object]:
    """What the program learns of a request; times are microseconds since the Unix epoch."""
    return {
        "approval": request.id,
        "state": "approved" if request.state == "consumed" else request.state,
        "digest": request.digest,
        "protocol": request.protocol,
        "type": request.type,
        "target": request.target,
        "params": request.summary,
        "agent": request.agent,
        "principal": request.principal,
        "task": request.task,
        "environment": request.environment,
        "risk": request.risk,
        "rule": request.rule,
        "reasons": request.reasons,
        "needed": request.needed,
        "votes": [vote.by for vote in request.votes],
        "by": request.by,
        "comment": request.comment,
        "created": request.created,
        "expires": request.expires,
    }
