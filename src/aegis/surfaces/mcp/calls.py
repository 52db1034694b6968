"""Requests that reach an upstream: each is an Action, governed, performed there, and inspected.

`tools/call`, `resources/read`, `prompts/get` and `completion/complete` of clients; and what an
upstream asks of a client, `sampling/createMessage`, `elicitation/create` and `roots/list`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec
import uuid_utils

from ...kernel.effective import tightened
from ...kernel.lease import lent_meta
from ...kernel.tickets import presenting
from ...model import (
    Action,
    ActionError,
    CallerError,
    Decision,
    HeldError,
    LedgerError,
    Resource,
    RiskLevel,
    Verdict,
)
from . import lists, mirror
from . import protocol as rpc
from .follow import satisfied
from .outcomes import PIN_RULE, result_of
from .reviews import ours
from .tools import SEPARATOR, action_of
from .view import MCP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...kernel.runtime import Runtime
    from .gateway import Gateway
    from .link import Link
    from .protocol import Frame
    from .session import Asker

    Forward = Callable[[Frame], Awaitable[Frame]]

INPUTS = "io.modelcontextprotocol/inputResponses"
"""Where what a client answers to an upstream stands among the params of an action."""

TICKET = "aegis/ticket"
"""The entry of `_meta` that holds a ticket for the call; over HTTP, else the header
`aegis-ticket`."""

log = logging.getLogger("aegis.mcp")


async def call_tool(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `tools/call`. Raises RpcError."""
    name = rpc.text_of(params, "name")
    arguments = params.get("arguments")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise rpc.RpcError(rpc.INVALID_PARAMS, "`arguments` has to be an object")
    server, tool = gateway.resolve(name)
    link = await asker.session.link(server, asker)
    known = await asker.session.tools(link)
    definition = known.get(tool)
    if definition is None:
        raise rpc.RpcError(rpc.INVALID_PARAMS, f"there is no tool `{name[:128]}` here")
    if asker.modern and asker.channel is not None and asker.channel.headers is not None:
        marked = mirror.marks(definition.get("inputSchema"))
        mirror.check_arguments(asker.channel.headers, arguments, marked)
    given = with_inputs(arguments, params)
    full = f"{server}{SEPARATOR}{tool}"
    labels = known.label(tool)
    action = action_of(asker.session.actor, full, definition, given, known.fact(tool), labels)
    reason = known.quarantined.get(tool)
    session = asker.session
    refusal = _quarantine(action, reason) if reason else gateway.sequences.begun(session, action)
    runtime = gateway.runtime if refusal is None else tightened(gateway.runtime, refusal)
    rest = outgoing(params)
    performed = False

    async def forward(decided: Frame) -> Frame:
        nonlocal performed
        performed = True
        body = {**rest, "name": tool}
        if INPUTS in decided:
            decided = dict(decided)
            body["inputResponses"] = decided.pop(INPUTS)
        body["arguments"] = decided
        return await answered(gateway, link, asker, "tools/call", body)

    try:
        return await govern(gateway, asker, runtime, action, params, forward)
    finally:
        if not performed:
            gateway.sequences.dropped(session, action)


async def read_resource(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `resources/read`. Raises RpcError."""
    uri = rpc.text_of(params, "uri")
    link = await lists.holder(gateway, asker, uri)
    resources = (Resource("url", uri, "read"), Resource("server", link.name, "read"))
    given = with_inputs({"uri": uri}, params)
    action = _reading("resources/read", uri, given, asker, resources)
    return await _fetched(gateway, asker, link, action, params)


async def get_prompt(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `prompts/get`. Raises RpcError."""
    name = rpc.text_of(params, "name")
    server, prompt = gateway.resolve(name)
    link = await asker.session.link(server, asker)
    arguments = params.get("arguments")
    given = with_inputs({"arguments": arguments} if isinstance(arguments, dict) else {}, params)
    target = f"{server}{SEPARATOR}{prompt}"
    action = _reading("prompts/get", target, given, asker, (Resource("server", server, "read"),))
    return await _fetched(gateway, asker, link, action, {**params, "name": prompt})


async def complete(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `completion/complete`. Raises RpcError."""
    ref = params.get("ref")
    ref = ref if isinstance(ref, dict) else {}
    if ref.get("type") == "ref/prompt":
        target = rpc.text_of(ref, "name")
        server, prompt = gateway.resolve(target)
        link = await asker.session.link(server, asker)
        params = {**params, "ref": {**ref, "name": prompt}}
    else:
        target = rpc.text_of(ref, "uri")
        link = await lists.holder(gateway, asker, target)
    given: Frame = {key: params[key] for key in ("argument", "context") if key in params}
    resources = (Resource("server", link.name, "read"),)
    action = _reading("completion/complete", target, given, asker, resources)
    return await _fetched(gateway, asker, link, action, params)


async def ask_client(gateway: Gateway, link: Link, asker: Asker, frame: Frame) -> Any:
    """What an upstream asks of a client: governed like what the client asks. Raises RpcError."""
    method: str = frame["method"]
    params: Frame = frame.get("params", {})
    given = {key: value for key, value in params.items() if key != "_meta"}
    action = Action(
        method,
        link.name,
        given,
        protocol="mcp",
        actor=asker.session.actor,
        capability="execute" if method == "sampling/createMessage" else "read",
        resources=(Resource("server", link.name, "read"),),
        parent=asker.action,
        id=str(uuid_utils.uuid7()),
    )

    async def perform(decided: Action) -> Any:
        if asker.modern:
            return await asker.asks.ask(method, decided.params)
        return await asker.session.ask(method, decided.params, asker.channel)

    outcome = await gateway.runtime.agovern(action, perform, MCP)
    return result_of(outcome)


async def govern(
    gateway: Gateway,
    asker: Asker,
    runtime: Runtime,
    action: Action,
    params: Frame,
    forward: Forward,
) -> Frame:
    """Take a request along the path; returns the upstream's result. Raises RpcError."""
    reviews = gateway.reviews
    reviews.responded(params, action, asker.session)
    ticket = _ticket(asker, params)

    async def perform(decided: Action) -> Any:
        answer = await forward(decided.params)
        error = answer.get("error")
        return {"error": error} if error is not None else answer.get("result")

    while True:
        run = reviews.held(action)
        reviews.enter(action, asker)
        try:
            if run:
                outcome = await runtime.aresume(run, perform, MCP)
            else:
                with presenting(ticket):
                    outcome = await runtime.agovern(action, perform, MCP, park=True)
            result: Frame = result_of(outcome)
            return result
        except HeldError as error:
            if asker.task is not None:
                await reviews.awaited(error, asker, asker.task)
            elif not await reviews.talked(error.approval) or not reviews.held(action):
                return reviews.pending(error, asker)
        except LedgerError as error:
            log.error("the ledger failed: %s", error)
            raise rpc.RpcError(
                rpc.UNAVAILABLE, "the record of this could not be kept; nothing was performed"
            ) from None
        except ActionError as error:
            raise rpc.RpcError(rpc.INVALID_PARAMS, str(error)) from None
        except CallerError as error:
            # somebody else continued the run, or other rules hold now: it is asked for anew
            if not run or isinstance(error, rpc.RpcError):
                raise
            action = _again(action)
        finally:
            reviews.leave(action)


def _reading(
    method: str, target: str, given: Frame, asker: Asker, resources: tuple[Resource, ...]
) -> Action:
    return Action(
        method,
        target,
        given,
        protocol="mcp",
        actor=asker.session.actor,
        capability="read",
        resources=resources,
        id=str(uuid_utils.uuid7()),
    )


async def _fetched(
    gateway: Gateway, asker: Asker, link: Link, action: Action, params: Frame
) -> Frame:
    """Govern a request whose params go to the upstream as they are but for what was rewritten."""
    rest = outgoing(params)

    async def forward(decided: Frame) -> Frame:
        body = {**rest, **decided}
        if INPUTS in body:
            body["inputResponses"] = body.pop(INPUTS)
        return await answered(gateway, link, asker, action.type, body)

    return await govern(gateway, asker, gateway.runtime, action, params, forward)


async def answered(gateway: Gateway, link: Link, asker: Asker, method: str, body: Frame) -> Frame:
    """The final response of an upstream to a request that has been decided."""

    async def ask(frame: Frame) -> Any:
        if frame.get("method", "").partition("/")[0] not in asker.capabilities:
            raise rpc.RpcError(rpc.UPSTREAM, "the upstream requires what the client cannot do")
        return await ask_client(gateway, link, asker, frame)

    lent = lent_meta()
    if lent:
        body = {**body, "_meta": {**rpc.meta_of(body), **lent}}
    return await satisfied(link, asker, method, body, ask)


def outgoing(params: Frame) -> Frame:
    """What of a request's params goes on as it is: not what is governed, not what belongs to the
    connection it came over, not what is meant for us.
    """
    kept = {key: value for key, value in params.items() if key not in _OWN}
    meta = {k: v for k, v in rpc.meta_of(params).items() if k not in _CONNECTION}
    if meta:
        kept["_meta"] = meta
    if "requestState" in params and not ours(params):
        kept["requestState"] = params["requestState"]
    return kept


def with_inputs(given: Frame, params: Frame) -> Frame:
    """What is governed, with the answers of the client's person to an upstream among it."""
    answers = params.get("inputResponses")
    return {**given, INPUTS: answers} if isinstance(answers, dict) and not ours(params) else given


_OWN = frozenset({"_meta", "arguments", "inputResponses", "requestState"})
_CONNECTION = frozenset({rpc.META_REVISION, rpc.META_CAPABILITIES, rpc.META_CLIENT, TICKET})


def _ticket(asker: Asker, params: Frame) -> str:
    """The ticket that came with a request; empty where none did."""
    said = rpc.meta_of(params).get(TICKET)
    if said is None and asker.channel is not None and asker.channel.headers is not None:
        said = asker.channel.headers.get(b"aegis-ticket", b"").decode("latin-1")
    return said if isinstance(said, str) else ""


def _again(action: Action) -> Action:
    return msgspec.structs.replace(action, id=str(uuid_utils.uuid7()))


def _quarantine(action: Action, reason: str) -> Decision:
    return Decision(
        Verdict.BLOCK,
        RiskLevel.HIGH,
        PIN_RULE,
        reasons=(f"the tool is in quarantine: {reason}",),
        advice=f"a person looks at it and runs `aegis mcp pins accept {action.type}`",
    )
