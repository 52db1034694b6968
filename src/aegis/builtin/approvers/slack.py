"""Slack: an interactive message, and the buttons people press on it.

Requests of Slack are signed with the app's signing secret:
https://docs.slack.dev/authentication/verifying-requests-from-slack. Methods: `chat.postMessage`,
`chat.update`, `chat.postEphemeral`. The buttons hold the id of the approval and nothing else.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from ...model import CallerError, Prepared
from ...plugin.channel import Heard, Reply
from ..client import Client, ServiceError
from . import message
from .buttons import APPROVE, DENY, offered, pressed
from .callbacks import check_mac, check_time

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Callback, Context

PREFIX = "aegis_"
"""How the `action_id` of a button begins; its word follows."""

STYLES = {APPROVE: "primary", DENY: "danger"}
"""How Slack paints a button; the others have no style."""

TEXT_MAX = 3_000
"""Characters of one text block; more is refused by Slack."""

log = logging.getLogger("aegis.approvals")


class SlackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bot token (`xoxb-…`), the id of the channel, and the app's signing secret. With `team`
    only the buttons of that workspace count.
    """

    token: str
    channel: str
    signing_secret: str
    team: str = ""
    base_url: str = "https://slack.com/api"


class SlackApprover:
    """One message per request, with buttons while it can be answered."""

    Settings = SlackSettings

    def __init__(self, settings: SlackSettings, context: Context) -> None:
        self._settings = settings
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Post the message; it is called by its channel and time stamp."""
        answer = self._call("chat.postMessage", self._message(request, buttons=True))
        return f"{answer['channel']}|{answer['ts']}"

    def update(self, request: Request, reference: str) -> None:
        """Take the buttons away and say what became of it."""
        channel, _, stamp = reference.partition("|")
        changed = self._message(request, buttons=False) | {"channel": channel, "ts": stamp}
        self._call("chat.update", changed)

    def hear(self, callback: Callback) -> Heard | Reply:
        """The button somebody pressed."""
        stamp = callback.headers.get("x-slack-request-timestamp", "")
        given = callback.headers.get("x-slack-signature", "")
        check_time(stamp, callback.now)
        signed = b":".join((b"v0", stamp.encode(), callback.body))
        check_mac(given, "v0=", self._settings.signing_secret, signed)
        payload = _payload(callback.body)
        if payload.type != "block_actions" or len(payload.actions) != 1:
            raise CallerError(f"`{payload.type[:40]}` is no press of one button")
        if self._settings.team and payload.team.id != self._settings.team:
            raise CallerError("the button was pressed in another workspace")
        button = payload.actions[0]
        prefix, word = button.action_id[: len(PREFIX)], button.action_id[len(PREFIX) :]
        if prefix != PREFIX or ":" in word:
            raise CallerError(f"`{button.action_id[:40]}` is no button of ours")
        said = pressed(f"{word}:{button.value}")
        reference = payload.container.channel_id or self._settings.channel
        user = payload.user.id
        return Heard(said.approval, said.approve, user, given, "", said.scope, reference)

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """Nothing where the answer was taken: the message changes. Else tell the one person."""
        if request is None:
            told = {"channel": heard.reference, "user": heard.user, "text": _escaped(said)}
            try:
                self._call("chat.postEphemeral", told)
            except ServiceError as error:
                log.warning("%s", error)
        return Reply(200, b"")

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _call(self, method: str, body: dict[str, Any]) -> Any:
        headers = {
            "authorization": f"Bearer {self._settings.token}",
            "content-type": "application/json; charset=utf-8",
        }
        answer = self._client.send("POST", f"{self._settings.base_url}/{method}", body, headers)
        if not isinstance(answer, dict) or answer.get("ok") is not True:
            why = answer.get("error") if isinstance(answer, dict) else "no JSON"
            raise ServiceError(f"slack `{method}`: {str(why)[:80]}")
        return answer

    def _message(self, request: Request, *, buttons: bool) -> dict[str, Any]:
        blocks = [_section(f"*{_escaped(message.title(request))}*")]
        blocks += [
            _section(f"*{label}*\n{_escaped(value)}") for label, value in message.facts(request)
        ]
        if buttons:
            blocks.append({"type": "actions", "elements": _buttons(request)})
        else:
            blocks.append(_section(f"*{_escaped(message.outcome(request))}*"))
        text = message.title(request) if buttons else message.decided(request)
        return {"channel": self._settings.channel, "text": _escaped(text), "blocks": blocks}


class _Named(msgspec.Struct, frozen=True):
    id: str = ""


class _Pressed(msgspec.Struct, frozen=True):
    action_id: str = ""
    value: str = ""


class _Container(msgspec.Struct, frozen=True):
    channel_id: str = ""


class _Payload(msgspec.Struct, frozen=True):
    type: str
    user: _Named = _Named()
    team: _Named = _Named()
    actions: tuple[_Pressed, ...] = ()
    container: _Container = _Container()


_PAYLOAD = Prepared(_Payload)


def _payload(body: bytes) -> _Payload:
    """The payload of a form. Raises CallerError."""
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True, max_num_fields=4)["payload"]
        return _PAYLOAD.decode(text)
    except (ValueError, KeyError) as error:
        raise CallerError(f"the callback holds no payload: {type(error).__name__}") from None


def _buttons(request: Request) -> list[dict[str, Any]]:
    return [
        {
            "type": "button",
            "action_id": PREFIX + button.word,
            "text": {"type": "plain_text", "text": button.label},
            "value": request.id,
            **({"style": STYLES[button]} if button in STYLES else {}),
        }
        for button in offered(request)
    ]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:TEXT_MAX]}}


def _escaped(text: str) -> str:
    """Text in which nothing is a link, a mention or an entity of Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
