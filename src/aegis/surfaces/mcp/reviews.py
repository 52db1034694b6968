"""Actions that wait for a person, in the words of MCP.

An older client is answered with an error that names the approval; the identical call, sent again,
goes on where it stopped. A client that can ask its person (elicitation, or `input_required` of
2026-07-28) is asked through. Whether that person may answer is configured: elsewhere than on this
machine, who answers may be the agent itself, so by default it is only told whom to ask.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...approval import PENDING, digest
from ...kernel.state import ACTION
from ...model import Action, CallerError, HeldError
from . import protocol as rpc

if TYPE_CHECKING:
    from ...approval import Request
    from ...kernel.runtime import Runtime
    from .protocol import Frame
    from .session import Asker, Session
    from .task import Task

KEY = "aegis.approval"
"""The name of our request among the `inputRequests` of a result."""

STATE = "aegis:approval:"
"""How our `requestState` begins; the rest is the approval's id, which binds nothing by itself:
an approval only ever continues the identical action."""

RETRY_SECONDS = 5
"""How soon it is worth asking again."""

LOOK_SECONDS = 0.25
"""How often a task looks whether its approval was answered: a read of the state each."""

CHANNEL = "mcp"
"""The channel answers are recorded under."""


def ours(params: Frame) -> bool:
    """Whether the `requestState` of a retry is one of ours, and not an upstream's."""
    state = params.get("requestState")
    return isinstance(state, str) and state.startswith(STATE)


class Reviews:
    """The waiting actions of one gateway. `user` is the person on this machine."""

    def __init__(self, runtime: Runtime, client_approval: str, user: str) -> None:
        self._runtime = runtime
        self._client_approval = client_approval
        self._user = user
        self._under_way: dict[str, Asker] = {}
        self._talks: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, str] = {}
        self._epoch = -1
        runtime.desk.watchers.append(self._filed)

    def close(self) -> None:
        """Stop listening for new requests."""
        self._runtime.desk.watchers.remove(self._filed)
        for talk in list(self._talks.values()):
            talk.cancel()

    def enter(self, action: Action, asker: Asker) -> None:
        """An action is under way; a request for approval will be told to its asker."""
        asker.action = action.id
        self._under_way[action.id] = asker

    def leave(self, action: Action) -> None:
        """It is over, or parked."""
        self._under_way.pop(action.id, None)

    def held(self, action: Action) -> str:
        """The parked run of the identical action; empty where there is none."""
        state = self._runtime.state
        epoch = state.epoch()
        version = self._runtime.rules.policy.version
        if epoch != self._epoch:
            self._held = {}
            for run in state.runs():
                stored = ACTION.decode(run.action)
                if stored.protocol == "mcp":
                    self._held[digest(stored, version)] = run.id
            self._epoch = epoch
        return self._held.get(digest(action, version), "") if self._held else ""

    async def talked(self, approval: str) -> bool:
        """Wait for the client's person where they are being asked; whether they were."""
        talk = self._talks.get(approval)
        if talk is None:
            return False
        await asyncio.wait((talk,))
        return True

    async def awaited(self, error: HeldError, asker: Asker, task: Task) -> None:
        """Turn a held call into a task of its client, and wait until somebody has answered."""
        task.detach(f"a person has to approve this first: approval `{error.approval}`")
        desk = self._runtime.desk
        request = desk.find(error.approval)
        asking = None
        answers = "elicitation" in asker.capabilities and self._may_answer(asker.session)
        if request is not None and answers:
            asking = asyncio.get_running_loop().create_task(self._talk(request, asker))
        try:
            while request is not None and request.state == PENDING:
                await asyncio.sleep(LOOK_SECONDS)
                request = desk.find(error.approval)
        finally:
            if asking is not None:
                asking.cancel()
        task.detach()

    def pending(self, error: HeldError, asker: Asker) -> Frame:
        """The answer while a person has to agree first. Raises RpcError for older clients."""
        request = self._runtime.desk.find(error.approval)
        if asker.modern and "elicitation" in asker.capabilities and request is not None:
            asked = {"method": "elicitation/create", "params": self._form(request, asker.session)}
            return {
                "resultType": "input_required",
                "inputRequests": {KEY: asked},
                "requestState": STATE + error.approval,
            }
        raise rpc.RpcError(
            rpc.APPROVAL,
            f"a person has to approve this first: approval `{error.approval}`; once somebody ran "
            f"`aegis approve {error.approval}`, send the identical call again",
            {
                "approval": error.approval,
                "run": error.run,
                "retry": "send the identical call again once the approval is given",
                "retry_after": RETRY_SECONDS,
            },
        )

    def responded(self, params: Frame, action: Action, session: Session) -> None:
        """Take what a retry says about an approval of the identical action."""
        if not ours(params):
            return
        request = self._runtime.desk.find(params["requestState"].removeprefix(STATE))
        responses = params.get("inputResponses")
        answer = responses.get(KEY) if isinstance(responses, dict) else None
        if request is not None and request.digest == digest(action, request.policy):
            self._take(request, answer, session)

    def _filed(self, request: Request) -> None:
        """A request for approval was filed on this thread."""
        asker = self._under_way.get(request.action)
        if asker is None or ("elicitation" not in asker.capabilities and asker.task is None):
            return
        if asker.modern:
            self._runtime.desk.release(request.id)
        else:
            task = asyncio.get_running_loop().create_task(self._talk(request, asker))
            self._talks[request.id] = task
            task.add_done_callback(lambda _: self._talks.pop(request.id, None))

    async def _talk(self, request: Request, asker: Asker) -> None:
        """Ask the client's person, and take what they say."""
        session = asker.session
        form = self._form(request, session)
        try:
            if asker.task is not None:
                answer = await asker.task.ask("elicitation/create", form)
            else:
                answer = await session.ask("elicitation/create", form, asker.channel)
        except rpc.RpcError:
            return  # the request stays on file for others to answer
        self._take(request, answer, session)

    def _form(self, request: Request, session: Session) -> Frame:
        on = f" on `{request.target}`" if request.target else ""
        why = "; ".join(request.reasons) or f"rule `{request.rule}` asks for it"
        message = f"`{request.type}`{on} needs a person's approval: {why}."
        if not self._may_answer(session):
            told = f" Have somebody run `aegis approve {request.id}`, then accept to go on."
            nothing: Frame = {"type": "object", "properties": {}}
            return {"message": message + told, "requestedSchema": nothing}
        approve = {
            "type": "boolean",
            "title": "Approve",
            "description": f"let this call happen, once ({request.id})",
            "default": False,
        }
        schema = {"type": "object", "properties": {"approve": approve}, "required": ["approve"]}
        return {"message": message, "requestedSchema": schema}

    def _may_answer(self, session: Session) -> bool:
        if self._client_approval == "local":
            return session.local
        return self._client_approval == "always"

    def _take(self, request: Request, answer: Any, session: Session) -> None:
        """Store an answer of the client's person; only a plain yes approves."""
        if not isinstance(answer, dict) or not self._may_answer(session):
            return
        content = answer.get("content")
        said = content.get("approve") if isinstance(content, dict) else None
        refused = answer.get("action") == "decline"
        if not refused and (answer.get("action") != "accept" or not isinstance(said, bool)):
            return
        by = self._user if session.local else f"person at {session.actor.principal or 'a client'}"
        try:
            self._runtime.answer(request.id, said is True and not refused, by=by, channel=CHANNEL)
        except CallerError:
            return  # answered meanwhile, or expired: the one that waits will hear of it
