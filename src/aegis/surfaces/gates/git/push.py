"""A push: taken in whole, judged by its objects, decided as one action, sent on as it came.

Its ref updates stand or fall together: what a person agreed to is the whole push. A refusal is
told in the report that git expects, so that every ref is rejected with the rule that did.
"""

from __future__ import annotations

import asyncio
import io
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from ....flow import PLAIN
from ....model import Action, ActionError, CallerError, LedgerError, UpstreamError
from ....tools.git import FETCH
from ...refusal import said
from ..http.wire import BadRequest
from . import upstream as upstreams
from .child import GitError
from .client import spooled
from .judge import BadPack, Facts, Missing, judge, none, unestablished
from .pkt import HEAD_MAX, Report, WireError, read_push, read_report, write_report
from .view import PUSH_VIEW, REWRITTEN

if TYPE_CHECKING:
    from ....kernel.runtime import Runtime
    from ....model import Actor, Outcome
    from ..http.wire import Head
    from .client import GitWire
    from .mirror import Mirror, Mirrors
    from .pkt import PushRequest
    from .route import Route

RESULT = "application/x-git-receive-pack-result"
"""The type of the answer to a push (gitprotocol-http)."""

JUDGED_MAX = 4
"""Most pushes judged at once: each is a few processes that use a core."""

ANSWER_MAX = 4 << 20
"""Longest answer of an upstream to a push, in bytes: its report, and what hooks say."""

REASON_MAX = 200
"""Longest reason beside a rejected ref, in characters: git shows it on one line."""

log = logging.getLogger("aegis.gate")


@dataclass(frozen=True, slots=True)
class _Push:
    """One push under way: who asks for what, and the whole request in a file."""

    request: PushRequest
    path: Path
    size: int
    head: Head
    route: Route
    actor: Actor


class Pushes:
    """The pushes of one gate."""

    def __init__(self, runtime: Runtime, client: httpx2.AsyncClient, mirrors: Mirrors) -> None:
        self._runtime = runtime
        self._client = client
        self._mirrors = mirrors
        self._judging = asyncio.Semaphore(JUDGED_MAX)

    async def push(self, wire: GitWire, head: Head, route: Route, actor: Actor) -> None:
        """Answer one push. Once it is taken in it goes on to its end, whether or not the client
        waits. Raises BadRequest, Gone.
        """
        most = self._runtime.settings.gates.git.push_bytes
        with tempfile.TemporaryDirectory(prefix="aegis-push-") as folder:
            path = Path(folder, "request")
            try:
                size = await spooled(wire, head, most, path)
            except OSError as error:
                log.error("a push could not be kept: %s", error)
                raise BadRequest(503, "there is no room for this push now; try again") from None
            try:
                request = await asyncio.to_thread(_read, path)
            except WireError as error:
                await wire.say(400, str(error))
                return
            if request is None:
                # a client asks whether it may push, before it sends a large one
                await wire.answer(RESULT, b"")
                return
            push = _Push(request, path, size, head, route, actor)
            report = await self._reported(push)
            body = write_report(report, request.capabilities)
            if body:
                await wire.answer(RESULT, body)
            else:
                await wire.say(403, report.fatal or report.messages.strip())

    async def _reported(self, push: _Push) -> Report:
        """What became of a push, as its client is told."""
        try:
            facts = await self._facts(push)
            action = _action(push, facts)
            perform = self._performer(push)
            outcome = await self._runtime.agovern(action, perform, PUSH_VIEW)
        except BadPack as error:
            return rejected(push.request, f"aegis: {error}", "malformed pack", unpack=str(error))
        except LedgerError as error:
            log.error("the ledger failed: %s", error)
            message = "aegis: no record could be kept; nothing was performed"
            return rejected(push.request, message, "aegis is unavailable")
        except ActionError as error:
            return rejected(push.request, f"aegis: {error}", "cannot be inspected")
        except OSError as error:
            log.error("a push could not be judged: %s", error)
            message = "aegis: the push could not be judged; the gate's log names the cause"
            return rejected(push.request, message, "aegis is unavailable")
        report = reported(push.request, outcome)
        if outcome.ok and not facts.unread and taken(report):
            await self._adopted(push)
        return report

    async def _adopted(self, push: _Push) -> None:
        """Bring the mirror up to date with what the upstream took; else the next push fetches."""
        commands = push.request.commands
        tips = {one.ref: one.new for one in commands if not none(one.new)}
        try:
            mirror = await self._mirror(push)
            await asyncio.to_thread(mirror.adopt, push.path.with_name("objects"), tips)
        except (GitError, OSError) as error:
            log.info("a mirror stays behind: %s", error)

    async def _mirror(self, push: _Push) -> Mirror:
        url = push.route.upstream.url(push.route.repository)
        return await asyncio.to_thread(self._mirrors.open, url, push.request.format)

    async def _facts(self, push: _Push) -> Facts:
        """What the push would do; with another look at the upstream where its history is not here.
        Raises BadPack, OSError.
        """
        try:
            mirror = await self._mirror(push)
            try:
                return await self._judged(push, mirror)
            except Missing as missing:
                reason = await self._refreshed(push, mirror, missing.ids)
            return (
                unestablished(push.request, reason) if reason else await self._judged(push, mirror)
            )
        except BadPack:
            raise
        except GitError as error:
            return unestablished(push.request, f"its history could not be compared: {error}")

    async def _judged(self, push: _Push, mirror: Mirror) -> Facts:
        most = max(0, self._runtime.settings.limits.text_characters - HEAD_MAX)
        async with self._judging:
            return await asyncio.to_thread(judge, push.request, push.path, mirror, most)

    async def _refreshed(self, push: _Push, mirror: Mirror, ids: list[str]) -> str:
        """Fetch the history, as an action of its own; why that was not possible, else nothing."""

        async def perform(_: Action) -> None:
            await asyncio.to_thread(mirror.refresh, push.route.upstream.credential(), ids)

        about = "the history that a push is compared with"
        params = {"service": FETCH, "for": "history"}
        action = Action(
            "git.fetch", push.route.target, params, about, protocol="git", actor=push.actor
        )
        outcome = await self._runtime.agovern(action, perform, PLAIN)
        if outcome.ok:
            return ""
        if outcome.status == "failed":
            log.warning("the history of `%s`: %s", push.route.target, outcome.error)
            return "its history could not be fetched from the upstream"
        return f"its history may not be fetched: {said(outcome.decision)}"

    def _performer(self, push: _Push) -> Any:
        async def perform(decided: Action) -> dict[str, Any]:
            if REWRITTEN in decided.labels:
                raise CallerError(
                    "a guard masks something in it, and a push cannot be rewritten; take it out "
                    "of every new commit and push again"
                )
            report = await self._sent(push)
            return {
                "report": list(report.lines),
                "messages": report.messages,
                "fatal": report.fatal,
            }

        return perform

    async def _sent(self, push: _Push) -> Report:
        """Send exactly what was judged. Raises UpstreamError, WireError."""
        route, name = push.route, push.route.upstream.name
        known = {
            "content-type": f"application/x-{route.service}-request",
            "accept": RESULT,
            "accept-encoding": "identity",
            "content-length": str(push.size),
            "git-protocol": push.head.get("git-protocol"),
        }
        fields = upstreams.asked(known, route.upstream.credential())
        answer = bytearray()
        try:
            async with self._client.stream(
                "POST", route.url, content=upstreams.sent(push.path), headers=fields
            ) as response:
                if response.status_code != 200:
                    raise await upstreams.refusal(name, response)
                async for piece in response.aiter_bytes():
                    answer += piece
                    if len(answer) > ANSWER_MAX:
                        raise WireError(f"upstream `{name}` answered with more than {ANSWER_MAX}")
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise upstreams.failure(name, error) from error
        return read_report(io.BytesIO(bytes(answer)), push.request.capabilities, ANSWER_MAX)


def _read(path: Path) -> PushRequest | None:
    with path.open("rb") as file:
        return read_push(file)


def _action(push: _Push, facts: Facts) -> Action:
    request = push.request
    params: dict[str, Any] = {
        "updates": [dict(update) for update in facts.updates],
        "paths": [list(pair) for pair in facts.paths],
        "commits": facts.commits,
        "binaries": facts.binaries,
        "atomic": "atomic" in request.capabilities,
        "push_options": list(request.options),
        "signer": request.signer,
        "unread": facts.unread,
    }
    target = push.route.target
    return Action("git.push", target, params, protocol="git", actor=push.actor, content=facts.texts)


def taken(report: Report) -> bool:
    """Whether the upstream took every ref of a push."""
    lines = report.lines
    return bool(lines) and not report.fatal and all(not line.startswith("ng ") for line in lines)


def rejected(request: PushRequest, messages: str, reason: str, unpack: str = "ok") -> Report:
    """A report in which no ref was updated."""
    short = " ".join(reason.split())[:REASON_MAX]
    lines = (f"unpack {unpack}", *(f"ng {command.ref} {short}" for command in request.commands))
    return Report(lines, f"{messages}\naegis: no ref was updated\n")


def reported(request: PushRequest, outcome: Outcome) -> Report:
    """What became of a push, as git tells it."""
    if outcome.status == "performed":
        value = outcome.result
        return Report(tuple(value["report"]), value["messages"], value["fatal"])
    if outcome.status == "withheld":
        return Report(
            (), "", f"the push was performed; its answer is withheld, {said(outcome.decision)}"
        )
    if outcome.error is not None:
        log.warning("action %s: %r", outcome.action.id, outcome.error)
    if outcome.status == "failed":
        return _failed(request, outcome)
    messages = [f"aegis: {said(outcome.decision)}"]
    reason = f"refused by rule {outcome.decision.rule}"
    if outcome.approval and outcome.code == "expired":
        reason = f"needs approval {outcome.approval}"
    messages.append(f"aegis: recorded as {outcome.action.id}")
    return rejected(request, "\n".join(messages), reason)


def _failed(request: PushRequest, outcome: Outcome) -> Report:
    """The performance did not come to its end; whether the upstream took the push may be open."""
    error = outcome.error
    if isinstance(error, CallerError) and not isinstance(error, WireError):
        return rejected(request, f"aegis: {error}", "refused: it would have to be rewritten")
    what = "the upstream's answer could not be read"
    if isinstance(error, UpstreamError):
        what = str(error)
        if not error.began:
            return rejected(request, f"aegis: {what}", "refused by the upstream")
    return Report((), "", f"{what}; whether it took the push is not known, fetch to see")
