"""`POST /v1/chat/completions`: from the wire into the door and back.

The body becomes an Action, `Runtime.agovern` takes it along the path, and the Outcome becomes an
answer: a JSON body, a stream of server-sent events, or an error that says which rule refused.
"""

from __future__ import annotations

import logging
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ...approval import digest
from ...kernel.state import ACTION
from ...model import (
    Action,
    ActionError,
    Actor,
    AegisError,
    CallerError,
    HeldError,
    LedgerError,
    UpstreamError,
)
from . import headers as head
from .complaints import COMPLAINTS
from .errors import Failure, of_held, of_outcome, of_upstream, shareable
from .openai_chat import CHAT, TYPE
from .shapes import check_content, check_tools
from .turn import JSON
from .wire import WireError, decode, encode

if TYPE_CHECKING:
    from ...kernel.runtime import Runtime
    from ...model import Outcome, Principal
    from .turn import Turn

DONE_EVENT = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"

MODEL_MAX = 200
"""Longest model name, in code points."""

log = logging.getLogger("aegis.gateway")


async def complete(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """Answer one chat-completions request. Raises Failure."""
    asked = head.asked(turn.headers)
    data = await turn.read(runtime.settings.limits.body_bytes)
    try:
        body = request_body(data)
    except WireError as error:
        raise Failure(error.status, str(error), "invalid_request", param=error.param) from None
    model: str = body["model"]
    if principal.models and not any(fnmatchcase(model, glob) for glob in principal.models):
        raise Failure(
            403,
            f"this key may not use the model `{model}`; GET /v1/models lists those it may",
            "model_not_allowed",
            param="model",
        )
    action = Action(
        TYPE,
        model,
        body,
        protocol="llm",
        capability="read",  # it changes nothing; what its reply proposes is judged for itself
        actor=actor_of(asked, principal),
        environment=runtime.settings.environment,
        id=head.new_id(),
    )
    exchange = _Exchange(runtime, turn, action, principal)
    try:
        await exchange.run(body.get("stream") is True)
    except HeldError as error:
        await exchange.refuse(of_held(error))
    except LedgerError as error:
        COMPLAINTS.say("the ledger failed", error)
        await exchange.refuse(
            Failure(503, "the record of this could not be kept", "governance_unavailable")
        )
    except ActionError as error:
        raise Failure(400, str(error), "invalid_request") from None
    except CallerError as error:
        raise Failure(409, str(error), "approval_unusable") from None


def request_body(data: bytes) -> dict[str, Any]:
    """The body of a request, checked as far as the gateway reads it. Raises WireError."""
    body = decode(data)
    if not isinstance(body, dict):
        raise WireError("the body has to be a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MODEL_MAX or not model.isprintable():
        raise WireError(f"`model` has to be a name of 1 to {MODEL_MAX} characters", "model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise WireError("`messages` has to be a list with at least one message", "messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise WireError(
                f"`messages[{index}]` has to be an object with a `role`", f"messages[{index}]"
            )
        if message.get("content").__class__ is not str:
            check_content(message, f"messages[{index}].content")
    if "tools" in body or "functions" in body:
        check_tools(body)
    stream = body.get("stream")
    if stream is not None and stream.__class__ is not bool:
        raise WireError("`stream` has to be true or false", "stream")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise WireError("`stream_options` has to be an object", "stream_options")
    return body


def actor_of(asked: head.Asked, principal: Principal) -> Actor:
    """Who acts. A key bound to an agent speaks for that agent only; sessions of different keys
    never share a name. Raises Failure.
    """
    agent, session = asked.agent, asked.session
    if principal.agent and agent and agent != principal.agent:
        raise Failure(
            403,
            f"this key speaks for the agent `{principal.agent}`, not for `{agent}`",
            "agent_mismatch",
        )
    if session and principal.id:
        session = f"{principal.id}/{session}"
    return Actor(principal.id, principal.agent or agent, session, principal.tenant)


class _Exchange:
    """One governed request on its way to its answer."""

    def __init__(self, runtime: Runtime, turn: Turn, action: Action, principal: Principal) -> None:
        self.runtime = runtime
        self.turn = turn
        self.action = action
        self.principal = principal
        options = action.params.get("stream_options")
        self.wants_usage = isinstance(options, dict) and options.get("include_usage") is True

    async def run(self, stream: bool) -> None:
        turn = self.turn
        resumed = turn.headers.get(b"x-aegis-approval")
        perform = self.open_stream if stream else self.fetch
        emit = self.emit if stream else None
        turn.silent = self.remind if stream else None
        if resumed is not None and (run := self.parked(resumed)):
            outcome = await self.runtime.aresume(run, perform, CHAT, stream=stream, emit=emit)
        else:
            outcome = await self.runtime.agovern(
                self.action, perform, CHAT, stream=stream, emit=emit, park=True
            )
        if outcome.receipt is not None:
            # an answer names its record, so the record has to outlive a crash of this process
            seq = outcome.receipt.seq
            waiting = self.runtime.journal.waiting(seq, "written", turn.loop)
            if waiting is not None:
                await waiting
        failure = of_outcome(outcome, self.runtime.rules.redact)
        if outcome.error is not None or outcome.code or outcome.decision.obligations:
            complain(outcome)
        if stream:
            await self.finish(outcome, failure)
        elif failure is not None:
            await self.refuse(failure, outcome)
        else:
            body = encode(outcome.result)
            await turn.whole(200, [JSON, *self.answered(outcome)], body)

    async def fetch(self, action: Action) -> Any:
        """Ask the provider for a whole answer."""
        began = time.perf_counter()
        try:
            return await self.runtime.dispatch.complete(action.params)
        finally:
            self.turn.upstream_seconds += time.perf_counter() - began

    def open_stream(self, action: Action) -> Any:
        """Ask the provider for a stream; usage is always asked for, to be accounted."""
        options = action.params.get("stream_options") or {}
        body = {**action.params, "stream_options": {**options, "include_usage": True}}
        return self.runtime.dispatch.stream(body)

    async def emit(self, event: Any) -> None:
        """Hand one judged chunk to the client."""
        if not self.wants_usage and "usage" in event:
            if not event.get("choices") and event["usage"] is not None:
                return
            event = {key: value for key, value in event.items() if key != "usage"}
        await self.begin()
        await self.turn.write(b"data: %b\n\n" % encode(event))

    async def remind(self) -> None:
        """Show that the stream is alive although nothing may be said yet."""
        await self.begin()
        await self.turn.write(COMMENT)

    async def begin(self) -> None:
        if not self.turn.started:
            await self.turn.begin(200, [*head.SSE, *self.known()])

    async def finish(self, outcome: Outcome, failure: Failure | None) -> None:
        """End a stream: properly, or with an error event and no `[DONE]`."""
        turn = self.turn
        turn.silent = None
        cut = outcome.status == "withheld" and outcome.code in ("policy", "guard")
        if failure is not None and not (cut and turn.started):
            await self.refuse(failure, outcome)
            return
        await self.begin()
        if outcome.receipt is not None:
            note = b": x-aegis-record %d x-aegis-verdict %b\n\n" % (
                outcome.receipt.seq,
                outcome.verdict.word.encode(),
            )
            await turn.write(note)
        await turn.write(DONE_EVENT)
        await turn.end()

    async def refuse(self, failure: Failure, outcome: Outcome | None = None) -> None:
        """Answer with an error: as the status where nothing was sent yet, else as an event."""
        turn = self.turn
        turn.silent = None
        if turn.started:
            await turn.write(b"data: %b\n\n" % failure.body())
            await turn.end()
            return
        about = self.answered(outcome) if outcome is not None else self.known()
        await turn.whole(failure.status, [JSON, *about, *failure.head()], failure.body())

    def known(self) -> list[tuple[bytes, bytes]]:
        """The headers that are known before there is an outcome."""
        action = self.action.id.encode()
        return [
            (b"x-request-id", head.asked(self.turn.headers).request_id or action),
            (b"x-aegis-action", action),
            *head.rate(self.runtime.gate.rate(self.principal.id)),
        ]

    def answered(self, outcome: Outcome) -> list[tuple[bytes, bytes]]:
        """The headers that tell what was decided and where it is recorded."""
        return [*self.known(), *head.decided(outcome)]

    def parked(self, approval: bytes) -> str:
        """The run an approval would continue, if it belongs to this very request.

        Raises Failure where it belongs to another one.
        """
        request = self.runtime.desk.find(approval.decode("latin-1"))
        if request is None:
            raise Failure(404, "there is no such approval", "approval_not_found")
        run = self.runtime.state.run(request.run) if request.run else None
        if run is None:
            return ""
        stored = ACTION.decode(run.action)
        if digest(stored, request.policy) != digest(self.action, request.policy):
            raise Failure(
                403,
                f"approval `{request.id}` is for another request; send the identical one",
                "approval_mismatch",
            )
        self.action = stored
        return request.run


def complain(outcome: Outcome) -> None:
    """Log what failed here or in a plugin: clients are only told the kind of it."""
    error = outcome.error
    if isinstance(error, LedgerError):
        COMPLAINTS.say("the ledger failed", error)
    elif error is not None and not isinstance(error, UpstreamError):
        log.error("action %s: %r", outcome.action.id, error)
    elif shareable(outcome.decision) is not outcome.decision:
        COMPLAINTS.say("a safeguard failed", "; ".join(outcome.decision.reasons))


def failure_of(error: Exception) -> Failure:
    """The answer to an error that no handler expected."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, UpstreamError):
        return of_upstream(error)
    if isinstance(error, CallerError):
        return Failure(400, str(error), "invalid_request")
    if isinstance(error, AegisError):
        kind = "the ledger failed" if isinstance(error, LedgerError) else "a store failed"
        COMPLAINTS.say(kind, error)
        message = f"{kind}; the gateway's log names the cause"
        return Failure(503, message, "governance_unavailable")
    log.error("unexpected error", exc_info=error)
    return Failure(500, "an unexpected error; the gateway's log names the cause", "internal_error")
