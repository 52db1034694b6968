"""Discord: a message with buttons, and the interactions that pressing them sends.

Interactions are signed with Ed25519 over time stamp and body
(https://discord.com/developers/docs/interactions/overview). Discord probes the address with wrong
signatures and expects 401.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ...model import CallerError, Prepared
from ...plugin.channel import Forged, Heard, Reply
from ..client import Client, ServiceError
from . import message
from .buttons import APPROVE, DENY, data, offered, pressed
from .callbacks import check_time, read

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Callback, Context

PING, COMPONENT = 1, 3
"""Types of interaction: a probe of the address, and a pressed button."""

PONG, MESSAGE, QUIET = 1, 4, 6
"""Types of answer: to a probe, a new message, and none."""

EPHEMERAL = 64
"""The flag of a message that only the one who pressed sees."""

ROW, BUTTON = 1, 2
GREY = 2
STYLES = {APPROVE: 3, DENY: 4}
"""Green and red; the others are grey."""

CONTENT_MAX = 2_000
"""Characters of one message; more is refused by Discord."""


class DiscordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bot token, the id of the channel, and the application's public key in hex."""

    token: str
    channel: str
    public_key: str
    base_url: str = "https://discord.com/api/v10"


class DiscordApprover:
    """One message per request, with buttons while it can be answered."""

    Settings = DiscordSettings

    def __init__(self, settings: DiscordSettings, context: Context) -> None:
        self._settings = settings
        self._public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(settings.public_key))
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Post the message; it is called by its id."""
        row = {"type": ROW, "components": _buttons(request)}
        answer = self._call("POST", "", _content(message.text(request), [row]))
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise ServiceError("discord: the answer names no message")
        return str(answer["id"])

    def update(self, request: Request, reference: str) -> None:
        """Take the buttons away and say what became of it."""
        self._call("PATCH", f"/{reference}", _content(message.decided(request), []))

    def hear(self, callback: Callback) -> Heard | Reply:
        """The button somebody pressed, or the answer to a probe."""
        stamp = callback.headers.get("x-signature-timestamp", "")
        given = callback.headers.get("x-signature-ed25519", "")
        check_time(stamp, callback.now)
        try:
            self._public.verify(bytes.fromhex(given), stamp.encode() + callback.body)
        except (InvalidSignature, ValueError):
            raise Forged("the signature of the callback is wrong") from None
        sent = read(callback.body, _INTERACTION, "interaction")
        if sent.type == PING:
            return Reply(200, msgspec.json.encode({"type": PONG}))
        if sent.type != COMPONENT:
            raise CallerError("the interaction is no press of a button")
        said = pressed(sent.data.custom_id)
        user = sent.member.user.id or sent.user.id
        return Heard(said.approval, said.approve, user, sent.id or given, "", said.scope)

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """Nothing where the answer was taken: the message changes. Else tell the one person."""
        if request is not None:
            return Reply(200, msgspec.json.encode({"type": QUIET}))
        data = {**_content(said, []), "flags": EPHEMERAL}
        return Reply(200, msgspec.json.encode({"type": MESSAGE, "data": data}))

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        url = f"{self._settings.base_url}/channels/{self._settings.channel}/messages{path}"
        headers = {"authorization": f"Bot {self._settings.token}"}
        return self._client.send(method, url, body, headers)


class _User(msgspec.Struct, frozen=True):
    id: str = ""


class _Member(msgspec.Struct, frozen=True):
    user: _User = _User()


class _Data(msgspec.Struct, frozen=True):
    custom_id: str = ""


class _Interaction(msgspec.Struct, frozen=True):
    type: int
    id: str = ""
    data: _Data = _Data()
    member: _Member = _Member()
    user: _User = _User()


_INTERACTION = Prepared(_Interaction)


def _content(text: str, components: list[Any]) -> dict[str, Any]:
    """A message in which nothing is markup and nobody is mentioned."""
    fenced = text.replace("`", "\u02cb")[: CONTENT_MAX - 8]
    return {
        "content": f"```\n{fenced}\n```",
        "components": components,
        "allowed_mentions": {"parse": []},
    }


def _buttons(request: Request) -> list[dict[str, Any]]:
    return [
        {
            "type": BUTTON,
            "style": STYLES.get(button, GREY),
            "label": button.label,
            "custom_id": data(button, request),
        }
        for button in offered(request)
    ]
