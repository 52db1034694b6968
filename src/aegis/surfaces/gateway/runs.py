"""Parked runs: what waits for a person, and going on with it once somebody has answered.

    GET  /v1/runs                the caller's own
    GET  /v1/runs/{id}           one, with the state of its approval
    POST /v1/runs/{id}/resume    what the request would have been answered

A run belongs to the key that asked for it. Resuming answers the whole completion, also where the
request asked for a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...kernel.state import ACTION
from ...model import Action, CallerError, HeldError
from . import headers as head
from .approvals import moment
from .chat import complain
from .errors import Failure, of_held, of_outcome
from .openai_chat import CHAT, TYPE
from .turn import JSON
from .wire import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ...kernel.runtime import Runtime
    from ...kernel.state import Run
    from ...model import Principal
    from .turn import Turn

    Handler = Callable[[Runtime, Turn, Principal], Awaitable[None]]

RUNS = "/v1/runs"
RESUME = "/resume"


async def listed(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """The caller's parked runs, oldest first."""
    own = [(run, _action(run)) for run in runtime.state.runs()]
    data = [
        _plain(runtime, run, action)
        for run, action in own
        if action.actor.principal == principal.id
    ]
    await turn.whole(200, (JSON,), encode({"object": "list", "data": data}))


async def single(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """One parked run of the caller."""
    run, action = _found(runtime, turn.path.removeprefix(f"{RUNS}/"), principal)
    await turn.whole(200, (JSON,), encode(_plain(runtime, run, action)))


async def resume(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """Go on with a parked run. Raises Failure while nobody has answered, or where it is over."""
    name = turn.path.removeprefix(f"{RUNS}/")
    if not name.endswith(RESUME):
        raise Failure(404, f"there is no `{turn.path[:100]}` here", "not_found", close=True)
    run, action = _found(runtime, name.removesuffix(RESUME), principal)
    if (action.protocol, action.type) != ("llm", TYPE):
        raise Failure(
            409, "this run goes on where it began; repeat the call there", "run_elsewhere"
        )

    async def perform(decided: Action) -> Any:
        whole = ("stream", "stream_options")
        body = {key: value for key, value in decided.params.items() if key not in whole}
        return await runtime.dispatch.complete(body)

    try:
        outcome = await runtime.aresume(run.id, perform, CHAT)
    except HeldError as error:
        raise of_held(error) from None
    except CallerError as error:
        raise Failure(409, str(error), "approval_unusable") from None
    if outcome.receipt is not None:
        await runtime.journal.wait_async(outcome.receipt.seq, "written")
    complain(outcome)
    failure = of_outcome(outcome, runtime.rules.redact)
    if failure is not None:
        raise failure
    about = ((b"x-aegis-action", action.id.encode()), *head.decided(outcome))
    await turn.whole(200, (JSON, *about), encode(outcome.result))


ROUTES: Mapping[tuple[str, str], Handler] = {("GET", RUNS): listed}
PREFIXES: Mapping[tuple[str, str], Handler] = {
    ("GET", f"{RUNS}/"): single,
    ("POST", f"{RUNS}/"): resume,
}


def _action(run: Run) -> Action:
    return ACTION.decode(run.action)


def _found(runtime: Runtime, id: str, principal: Principal) -> tuple[Run, Action]:
    run = runtime.state.run(id)
    action = _action(run) if run is not None else None
    if run is None or action is None or action.actor.principal != principal.id:
        raise Failure(404, f"there is no parked run `{id[:80]}` of this key", "run_not_found")
    return run, action


def _plain(runtime: Runtime, run: Run, action: Action) -> dict[str, Any]:
    request = runtime.desk.find(run.approval)
    return {
        "id": run.id,
        "object": "run",
        "approval": run.approval,
        "state": request.state if request is not None else "expired",
        "type": action.type,
        "target": action.target,
        "agent": action.actor.agent,
        "stream": run.stream,
        "created": moment(run.created),
    }
