"""PagerDuty: an alert (Events API v2) with a signed link; resolved when somebody has decided.

https://developer.pagerduty.com/docs/events-api-v2. Acknowledging the alert is no approval: the
page behind the link has the buttons, and asks for a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..client import Client
from . import message
from .linked import Linked

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Context

SUMMARY_MAX = 1_024
"""Characters of a summary."""


class PagerdutySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The routing key of the service's integration, and how severe an alert is."""

    routing_key: str
    severity: Literal["critical", "error", "warning", "info"] = "warning"
    base_url: str = "https://events.pagerduty.com"


class PagerdutyApprover(Linked):
    """One alert for each request, called by the id of the approval."""

    Settings = PagerdutySettings

    def __init__(self, settings: PagerdutySettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Trigger the alert."""
        payload = {
            "summary": f"Approval: {message.title(request)}"[:SUMMARY_MAX],
            "source": "aegis",
            "severity": self._settings.severity,
            "custom_details": dict(message.facts(request)),
        }
        links = [{"href": self._context.link(request, ""), "text": "Look and answer"}]
        self._send("trigger", request.id, {"payload": payload, "links": links})
        return request.id

    def update(self, request: Request, reference: str) -> None:
        """Resolve the alert."""
        self._send("resolve", reference, {})

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _send(self, action: str, id: str, more: dict[str, Any]) -> None:
        event = {"routing_key": self._settings.routing_key, "event_action": action}
        body = {**event, "dedup_key": id, **more}
        self._client.send("POST", f"{self._settings.base_url}/v2/enqueue", body)
