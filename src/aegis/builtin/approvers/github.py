"""GitHub: a comment and a check run on a pull request (or a comment on an issue), and the events
that answer them.

The number is configured: where a message goes is not for the agent's arguments to say. Events are
signed with the webhook's secret
(https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries). They carry no time,
and the delivery's id is not signed; so the signature itself, which is that of one event, is taken
once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...approval import words
from ...model import Prepared
from ...plugin.channel import Heard, Reply
from ..client import Client, ServiceError
from . import message
from .callbacks import check_mac, check_secret, read, told

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Callback, Context

CHECK = "aegis approval"
"""The name of the check run."""

CONCLUSIONS = {"approved": "success", "consumed": "success", "denied": "failure"}
"""How a check run ends, by the state of the request; `timed_out` for every other."""

ACTIONS = (
    {"label": "Approve", "description": "Let this action happen, once", "identifier": "approve"},
    {"label": "Deny", "description": "Refuse this action", "identifier": "deny"},
)
"""The buttons of a check run: label at most 20, description 40, identifier 20 characters."""


class GithubSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token that may comment and write checks, the repository (`owner/name`), the number of the
    pull request or issue, and the webhook's secret.
    """

    token: str
    repository: str
    number: int
    webhook_secret: str
    base_url: str = "https://api.github.com"


class GithubApprover:
    """A comment and, on a pull request, a check run for each request."""

    Settings = GithubSettings

    def __init__(self, settings: GithubSettings, context: Context) -> None:
        check_secret("webhook_secret", settings.webhook_secret)
        self._settings = settings
        self._client = Client(context.name, tells=True)

    def post(self, request: Request) -> str:
        """Comment, and put a check run on the head of the pull request; called by both ids."""
        text = f"{_fenced(message.text(request))}\n\nAnswer with one of these as a comment:\n"
        text += _fenced(f"approve {request.id}") + "\n" + _fenced(f"deny {request.id}")
        comment = self._call("POST", f"/issues/{self._settings.number}/comments", {"body": text})
        sha = self._head()
        if not sha:
            return f"{comment['id']}|"
        check = {
            "name": CHECK,
            "head_sha": sha,
            "external_id": request.id,
            "status": "completed",
            "conclusion": "action_required",
            "output": _output(request, message.text(request)),
            "actions": ACTIONS,
        }
        return f"{comment['id']}|{self._call('POST', '/check-runs', check)['id']}"

    def update(self, request: Request, reference: str) -> None:
        """Say in both what became of it."""
        comment, _, check = reference.partition("|")
        text = message.decided(request)
        self._call("PATCH", f"/issues/comments/{comment}", {"body": _fenced(text)})
        if check:
            ended = {
                "status": "completed",
                "conclusion": CONCLUSIONS.get(request.state, "timed_out"),
                "output": _output(request, text),
                "actions": (),
            }
            self._call("PATCH", f"/check-runs/{check}", ended)

    def hear(self, callback: Callback) -> Heard | Reply:
        """A comment that is an answer and nothing else, or a button of a check run."""
        given = callback.headers.get("x-hub-signature-256", "")
        check_mac(given, "sha256=", self._settings.webhook_secret, callback.body)
        event = read(callback.body, _EVENT, "event")
        if event.repository.full_name != self._settings.repository:
            return Reply()
        kind = (callback.headers.get("x-github-event", ""), event.action)
        if kind == ("issue_comment", "created") and event.issue.number == self._settings.number:
            return self._comment(event, given)
        if kind == ("check_run", "requested_action"):
            approve = words.answer(event.requested_action.identifier)
            if approve is not None and event.check_run.name == CHECK:
                approval = event.check_run.external_id
                return Heard(approval, approve, event.sender.login, given)
        return Reply()

    def _comment(self, event: _Event, nonce: str) -> Heard | Reply:
        """The answer in a comment; comments that hold anything else are talk."""
        said = words.answer_to(event.comment.body)
        if said is None or event.sender.type != "User":
            return Reply()
        return Heard(*said, event.sender.login, nonce)

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """What GitHub shows in the log of deliveries."""
        return told(request, said)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _head(self) -> str:
        """The newest commit of the pull request; empty where the number is an issue's."""
        try:
            found = self._call("GET", f"/pulls/{self._settings.number}")
        except ServiceError as error:
            if "status 404" in str(error):
                return ""
            raise
        return str(found.get("head", {}).get("sha", ""))

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        settings = self._settings
        headers = {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {settings.token}",
            "x-github-api-version": "2022-11-28",
        }
        url = f"{settings.base_url}/repos/{settings.repository}{path}"
        answer = self._client.send(method, url, body, headers)
        if not isinstance(answer, dict):
            raise ServiceError("github: the answer is no object")
        return answer


class _User(msgspec.Struct, frozen=True):
    login: str = ""
    type: str = ""


class _Repository(msgspec.Struct, frozen=True):
    full_name: str = ""


class _Issue(msgspec.Struct, frozen=True):
    number: int = 0


class _Comment(msgspec.Struct, frozen=True):
    body: str = ""


class _Check(msgspec.Struct, frozen=True):
    name: str = ""
    external_id: str = ""


class _Wanted(msgspec.Struct, frozen=True):
    identifier: str = ""


class _Event(msgspec.Struct, frozen=True):
    action: str = ""
    repository: _Repository = _Repository()
    sender: _User = _User()
    issue: _Issue = _Issue()
    comment: _Comment = _Comment()
    check_run: _Check = _Check()
    requested_action: _Wanted = _Wanted()


_EVENT = Prepared(_Event)


def _output(request: Request, text: str) -> dict[str, str]:
    return {"title": message.title(request), "summary": _fenced(text)}


def _fenced(text: str) -> str:
    """Text in which nothing is markup, a link or a mention."""
    safe = text.replace("`", "\u02cb")
    return f"```text\n{safe}\n```"
