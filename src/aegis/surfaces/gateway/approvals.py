"""The routes of approvals: people answer through a key, a channel's callback, or a signed link.

    GET  /v1/approvals                     what waits (role `approver`)
    GET  /v1/approvals/{id}                one; also for whoever asked
    POST /v1/approvals/{id}                {"answer": "approve" | "deny", "comment", "scope"}
    POST /v1/approvals/callback/{channel}  what a channel sends; it is signed, so it needs no key
    GET  /v1/approvals/link/{token}        a page that says what would happen
    POST /v1/approvals/link/{token}        its form

Nothing here decides who may answer: the desk does.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ...kernel.keys import APPROVER
from ...kernel.links import PATH as LINKS
from ...kernel.people import KEY_CHANNEL
from ...kernel.ports import now
from ...kernel.reception import Reception
from ...model import CallerError, Prepared
from ...plugin.channel import Callback
from . import approval_page as page
from .errors import Failure
from .headers import check_encoding
from .turn import JSON
from .wire import WireError, decode, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ...approval import Request
    from ...kernel.runtime import Runtime
    from ...model import Principal
    from .turn import Turn

    Handler = Callable[[Runtime, Turn, Principal], Awaitable[None]]

APPROVALS = "/v1/approvals"
CALLBACKS = f"{APPROVALS}/callback/"

BODY_MAX = 262_144
"""Largest callback or form, in bytes; a chat's callback repeats the message, of some kilobytes."""


class Answered(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an answer."""

    answer: Literal["approve", "deny"]
    comment: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    scope: Literal["once", "task", "always"] = "once"


_ANSWERED = Prepared(Answered)


class ApprovalRoutes:
    """`routes`, `prefixes` and `open_prefixes` (without a key) for the gateway's table."""

    def __init__(self, runtime: Runtime) -> None:
        self.reception = Reception(runtime)
        self.routes: Mapping[tuple[str, str], Handler] = {("GET", APPROVALS): _listed}
        self.prefixes: Mapping[tuple[str, str], Handler] = {
            ("GET", f"{APPROVALS}/"): _shown,
            ("POST", f"{APPROVALS}/"): _answer,
        }
        self.open_prefixes: Mapping[tuple[str, str], Handler] = {
            ("POST", CALLBACKS): self._callback,
            ("GET", LINKS): self._page,
            ("POST", LINKS): self._form,
        }

    async def _callback(self, runtime: Runtime, turn: Turn, _: Principal) -> None:
        check_encoding(turn.headers)
        body = await turn.read(BODY_MAX)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in turn.headers.items()
        }
        name = turn.path.removeprefix(CALLBACKS)
        reply = await asyncio.to_thread(
            self.reception.receive, name, Callback(headers, body, now())
        )
        sent = [(key.encode(), value.encode("latin-1")) for key, value in reply.headers.items()]
        await turn.whole(reply.status, sent, reply.body)

    async def _page(self, runtime: Runtime, turn: Turn, _: Principal) -> None:
        token = turn.path.removeprefix(LINKS)
        try:
            ticket, request = await asyncio.to_thread(self.reception.look, token)
        except CallerError as error:
            await turn.whole(404, page.HEADERS, page.message(str(error)))
            return
        await turn.whole(200, page.HEADERS, page.form(ticket, request))

    async def _form(self, runtime: Runtime, turn: Turn, _: Principal) -> None:
        body = await turn.read(BODY_MAX)
        token = turn.path.removeprefix(LINKS)
        try:
            # the page's own form is of one origin; no other site may send it for somebody
            if turn.headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
                raise CallerError("this form was sent by another site; open the link yourself")
            filled = page.read_form(body)
            by = await asyncio.to_thread(self._answering, runtime, token, filled.key)
            answer = self.reception.answer
            request = await asyncio.to_thread(answer, token, filled.approve, by, filled.comment)
        except CallerError as error:
            await turn.whole(403, page.HEADERS, page.message(str(error)))
            return
        await turn.whole(200, page.HEADERS, page.done(request))

    def _answering(self, runtime: Runtime, token: str, key: str) -> str:
        """The person whose key a form names; empty where it names none. Raises CallerError."""
        if not key:
            return ""
        principal = runtime.keys.authenticate(key)
        _, request = self.reception.look(token)
        if principal is not None and not _visible(request, principal):
            raise CallerError("this key may not answer for that tenant")
        return _person(runtime, principal)


async def _listed(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    _person(runtime, principal)
    waiting = await asyncio.to_thread(runtime.desk.pending)
    shown = [plain(request) for request in waiting if _visible(request, principal)]
    await turn.whole(200, (JSON,), encode({"object": "list", "data": shown}))


async def _shown(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    request = _found(runtime, turn, principal)
    await turn.whole(200, (JSON,), encode(plain(request)))


async def _answer(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    by = _person(runtime, principal)
    check_encoding(turn.headers)
    body = await turn.read(BODY_MAX)
    try:
        said = _ANSWERED.convert(decode(body))
    except (WireError, msgspec.ValidationError) as error:
        raise Failure(400, f"the body is not an answer: {error}", "invalid_request") from None
    request = _found(runtime, turn, principal)
    try:
        answered = await asyncio.to_thread(
            runtime.answer,
            request.id,
            said.answer == "approve",
            by=by,
            comment=said.comment,
            channel=KEY_CHANNEL,
            scope=said.scope,
        )
    except CallerError as error:
        raise Failure(409, str(error), "approval_unusable") from None
    await turn.whole(200, (JSON,), encode(plain(answered)))


def _person(runtime: Runtime, principal: Principal | None) -> str:
    """Who answers with a key. Raises Failure (403) where the key may not answer."""
    if principal is None or APPROVER not in principal.roles or not principal.name:
        raise Failure(
            403,
            f"answering needs a key with the role `{APPROVER}`: `aegis keys create --name NAME "
            f"--role {APPROVER}` makes one",
            "not_approver",
        )
    return runtime.desk.people.person(KEY_CHANNEL, principal.name) or principal.name


def _visible(request: Request, principal: Principal) -> bool:
    return not principal.tenant or request.tenant == principal.tenant


def _found(runtime: Runtime, turn: Turn, principal: Principal) -> Request:
    """The request a path names, if the caller may see it. Raises Failure (404)."""
    id = turn.path.removeprefix(f"{APPROVALS}/")
    request = runtime.desk.find(id)
    if request is not None:
        own = bool(principal.id) and request.principal == principal.id
        if own or (APPROVER in principal.roles and _visible(request, principal)):
            return request
    raise Failure(404, f"there is no approval `{id[:80]}` for this key", "approval_not_found")


def plain(request: Request) -> dict[str, Any]:
    """A request as JSON: what a person decides about, and how far it has got."""
    return {
        "id": request.id,
        "object": "approval",
        "state": request.state,
        "action": request.action,
        "protocol": request.protocol,
        "type": request.type,
        "target": request.target,
        "params": request.summary,
        "principal": request.principal,
        "agent": request.agent,
        "session": request.session,
        "tenant": request.tenant,
        "environment": request.environment,
        "task": request.task,
        "risk": request.risk,
        "rule": request.rule,
        "policy": request.policy,
        "reasons": request.reasons,
        "digest": request.digest,
        "run": request.run,
        "needed": request.needed,
        "votes": [
            {"by": vote.by, "at": moment(vote.at), "channel": vote.channel, "comment": vote.comment}
            for vote in request.votes
        ],
        "by": request.by,
        "comment": request.comment,
        "channel": request.channel,
        "scope": request.scope,
        "created": moment(request.created),
        "expires": moment(request.expires),
        "answered": moment(request.answered),
    }


def moment(micros: int) -> str:
    """A time in RFC 3339; empty for none."""
    if not micros:
        return ""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
