"""Telegram: a message of a bot with an inline keyboard, and the updates that pressing it sends.

https://core.telegram.org/bots/api. Updates are not signed: Telegram repeats the secret token that
`setWebhook` was given, so the address has to be HTTPS. They carry no time either; an update's id is
kept for a day and refused when it comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...model import CallerError, Prepared
from ...plugin.channel import Heard, Reply
from ..client import Client, ServiceError
from . import message
from .buttons import data, offered, pressed
from .callbacks import check_equal, check_secret, read

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Callback, Context

TEXT_MAX = 4_096
"""Characters of one message; more is refused by Telegram."""

ALERT_MAX = 200
"""Characters of the note that the one who pressed sees."""


class TelegramSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bot's token, the id of the chat, and the secret token given to `setWebhook`."""

    token: str
    chat: str
    secret_token: str
    base_url: str = "https://api.telegram.org"


class TelegramApprover:
    """One message per request, with buttons while it can be answered."""

    Settings = TelegramSettings

    def __init__(self, settings: TelegramSettings, context: Context) -> None:
        check_secret("secret_token", settings.secret_token)
        self._settings = settings
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Send the message; it is called by its id."""
        keyboard = {"inline_keyboard": [_buttons(request)]}
        sent = self._call(
            "sendMessage", {"text": message.text(request)[:TEXT_MAX], "reply_markup": keyboard}
        )
        return str(sent.get("message_id", ""))

    def update(self, request: Request, reference: str) -> None:
        """Take the buttons away and say what became of it."""
        text = message.decided(request)[:TEXT_MAX]
        self._call("editMessageText", {"message_id": int(reference), "text": text})

    def hear(self, callback: Callback) -> Heard | Reply:
        """The button somebody pressed; other updates are passed over."""
        given = callback.headers.get("x-telegram-bot-api-secret-token", "")
        check_equal(given, self._settings.secret_token)
        update = read(callback.body, _UPDATE, "update")
        query = update.callback_query
        if query is None:
            return Reply()
        if str(query.message.chat.id) != self._settings.chat:
            raise CallerError("the button was pressed in another chat")
        said = pressed(query.data)
        user, nonce = str(query.sender.id), str(update.update_id)
        return Heard(said.approval, said.approve, user, nonce, "", said.scope, query.id)

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """Answer the press, which Telegram takes as a method in the reply."""
        note = message.outcome(request) if request is not None else said
        method = {
            "method": "answerCallbackQuery",
            "callback_query_id": heard.reference,
            "text": note[:ALERT_MAX],
            "show_alert": request is None,
        }
        return Reply(200, msgspec.json.encode(method))

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self._settings.base_url}/bot{self._settings.token}/{method}"
        answer = self._client.send("POST", url, {"chat_id": self._settings.chat, **body})
        if not isinstance(answer, dict) or answer.get("ok") is not True:
            raise ServiceError(f"telegram `{method}` was not done")
        result = answer.get("result")
        return result if isinstance(result, dict) else {}


class _Chat(msgspec.Struct, frozen=True):
    id: int = 0


class _Message(msgspec.Struct, frozen=True):
    chat: _Chat = _Chat()


class _Pressed(msgspec.Struct, frozen=True):
    id: str
    sender: _Chat = msgspec.field(name="from")
    data: str = ""
    message: _Message = _Message()


class _Update(msgspec.Struct, frozen=True):
    update_id: int
    callback_query: _Pressed | None = None


_UPDATE = Prepared(_Update)


def _buttons(request: Request) -> list[dict[str, str]]:
    return [
        {"text": button.label, "callback_data": data(button, request)}
        for button in offered(request)
    ]
