"""Teams: an adaptive card through a workflow's webhook, with a signed link.

The webhook is one-way: the card cannot be changed later, so what became of a request is a card of
its own. Everybody in the channel sees the link; its page asks for a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..client import Client
from . import message
from .linked import Linked

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Context

CARD = "application/vnd.microsoft.card.adaptive"
"""The content type of an adaptive card (https://adaptivecards.io)."""


class TeamsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The address of the workflow ("when a webhook request is received"); it is a secret."""

    url: str


class TeamsApprover(Linked):
    """One card for each request, and one for what became of it."""

    Settings = TeamsSettings

    def __init__(self, settings: TeamsSettings, context: Context) -> None:
        self._url = settings.url
        self._context = context
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Send the card; Teams does not say what it is called."""
        link = self._context.link(request, "")
        facts = [{"title": label, "value": text} for label, text in message.facts(request)]
        body = [_text(message.title(request), True), {"type": "FactSet", "facts": facts}]
        self._send(body, [{"type": "Action.OpenUrl", "title": "Look and answer", "url": link}])
        return request.id

    def update(self, request: Request, reference: str) -> None:
        """Send a card with what became of it."""
        lines = (message.title(request), message.outcome(request), reference)
        self._send([_text(line, False) for line in lines], [])

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _send(self, body: list[Any], actions: list[Any]) -> None:
        card = {"type": "AdaptiveCard", "version": "1.5", "body": body, "actions": actions}
        attachment = {"contentType": CARD, "content": card}
        self._client.send("POST", self._url, {"type": "message", "attachments": [attachment]})


def _text(text: str, strong: bool) -> dict[str, Any]:
    block = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}
    if strong:
        block["inlines"] = [{"type": "TextRun", "text": text, "weight": "Bolder"}]
    return block
