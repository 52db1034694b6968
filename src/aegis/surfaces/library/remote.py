"""Decisions made by a server: `AEGIS_URL` says where, `AEGIS_API_KEY` who asks.

The server decides, records, and inspects the result; the action itself is performed here. A
server that cannot be reached permits nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
import uuid_utils

from ...kernel.effective import Effective
from ...kernel.ports import now
from ...model import (
    ActionError,
    CallerError,
    ConfigError,
    Decision,
    Finding,
    Outcome,
    Prepared,
    Receipt,
    RiskLevel,
    ServerError,
    Verdict,
)
from ...tools.names import capability
from . import events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...approval import Request
    from ...flow import View
    from ...flow.rules import Decider
    from ...kernel.state import Agent
    from ...model import Action

log = logging.getLogger("aegis")

_FINDINGS = Prepared(tuple[Finding, ...])
_RECEIPT = Prepared(Receipt)

CONNECT_SECONDS = 5.0
"""How long connecting may take."""

ANSWER_SECONDS = 120.0
"""How long an answer may take: longer than a server waits for a person by default (25 s)."""

PERFORM_SECONDS = 3_600.0
"""How long performing may take before the server records the action as unknown."""

CONNECTIONS_MAX = 64
"""Most connections to the server at once."""


_UNTOLD = "action `%s` failed, and that could not be reported: %s"


class Remote:
    """Governs by asking a server. With `policy`, that policy is asked too, and can only make the
    server's decision stricter. Raises ConfigError for an unusable address.
    """

    def __init__(self, url: str, key: str = "", session: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"AEGIS_URL `{url}` has to look like http://127.0.0.1:8080")
        # what SDKs are given as the base URL of the same server ends in /v1
        self.url = url.rstrip("/").removesuffix("/v1")
        self.pid = os.getpid()
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._policy: Decider | None = None
        self._session = session or str(uuid_utils.uuid7())
        self._client = httpx2.Client(**self._options())
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = (
            weakref.WeakKeyDictionary()
        )

    def govern(
        self,
        action: Action,
        perform: Callable[[Action], Any],
        view: View,
        *,
        dry: bool = False,
        tighten: Decision | None = None,
    ) -> Outcome:
        """Ask, perform and report on this thread."""
        asked = self._asked(action, dry, tighten)
        said = self._post("/v1/aegis/actions", asked)
        if not said.get("go"):
            return _ended(action, said, dry)
        action = _decided(action, said)
        path = f"/v1/aegis/actions/{quote(action.id, safe='')}/outcome"
        try:
            value = perform(action)
        except Exception as error:
            try:
                self._post(path, _failure(said, error))
            except ServerError as unreported:
                log.warning(
                    "action `%s` failed, and that could not be reported: %s", action.id, unreported
                )
            return _failed(action, error)
        report = _report(said, view, value)
        try:
            answer = self._post(path, report)
        except ServerError as error:
            raise _unreported(action, error) from error
        return _performed(action, answer, view, value)

    async def agovern(
        self,
        action: Action,
        perform: Callable[[Action], Any],
        view: View,
        *,
        dry: bool = False,
        tighten: Decision | None = None,
    ) -> Outcome:
        """Ask, perform and report on an event loop."""
        asked = self._asked(action, dry, tighten)
        said = await self._apost("/v1/aegis/actions", asked)
        if not said.get("go"):
            return _ended(action, said, dry)
        action = _decided(action, said)
        path = f"/v1/aegis/actions/{quote(action.id, safe='')}/outcome"
        try:
            value = perform(action)
            if hasattr(value, "__await__"):
                value = await value
        except Exception as error:
            try:
                await self._apost(path, _failure(said, error))
            except ServerError as unreported:
                log.warning(
                    "action `%s` failed, and that could not be reported: %s", action.id, unreported
                )
            return _failed(action, error)
        report = _report(said, view, value)
        try:
            answer = await self._apost(path, report)
        except ServerError as error:
            raise _unreported(action, error) from error
        return _performed(action, answer, view, value)

    def branch(self, policy: Decider | None, session: str) -> Remote:
        """The same server, with a policy that is asked beside it and a session of its own."""
        made = Remote.__new__(Remote)
        made.__dict__.update(self.__dict__)
        made._policy = None if policy is None else Effective(policy, _Stateless())
        made._session = session or self._session
        return made

    def register(self, agent: Agent) -> None:
        """Register an agent with the server; its lists narrow what the server's policy permits."""
        body = {
            "name": agent.name,
            "owner": agent.owner,
            "allow": agent.allow,
            "block": agent.block,
            "review": agent.review,
        }
        self._post("/v1/aegis/agents", body)

    def kill(self, name: str, *, by: str, reason: str = "") -> None:
        """Switch an agent off on the server; the record names the key."""
        path = f"/v1/aegis/agents/{quote(name, safe='')}/status"
        self._post(path, {"status": "paused", "reason": reason})

    def revive(self, name: str, *, by: str) -> None:
        """Switch an agent on again, if the key may."""
        self._post(f"/v1/aegis/agents/{quote(name, safe='')}/status", {"status": "active"})

    def file(self, action: Action) -> str:
        """Approvals belong to the server. Raises CallerError."""
        _on_the_server("a governed call files its approval there by itself")

    def wait(self, id: str, seconds: float) -> bool | None:
        """Approvals belong to the server. Raises CallerError."""
        _on_the_server("a governed call waits for its approval by itself")

    def answer(self, id: str, approve: bool, *, by: str, comment: str = "") -> Request:
        """Approvals belong to the server. Raises CallerError."""
        _on_the_server(f"answer with `aegis approve {id}` there")

    def records(self, agent: str, limit: int) -> Sequence[dict[str, Any]]:
        """Records belong to the server. Raises CallerError."""
        _on_the_server("`aegis audit` shows the records there")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._clients.clear()

    def _asked(self, action: Action, dry: bool, tighten: Decision | None) -> dict[str, Any]:
        actor = action.actor
        if self._policy is not None:
            kind = action.capability or capability(action.type, action.protocol)
            own = self._policy.decide(msgspec.structs.replace(action, capability=kind), now=now())
            if tighten is None or own.verdict > tighten.verdict:
                tighten = own
        asked: dict[str, Any] = {
            "action": {
                "type": action.type,
                "target": action.target,
                "params": action.params,
                "description": action.description,
                "protocol": action.protocol,
                "agent": actor.agent,
                "chain": actor.chain,
                "session": actor.session or self._session,
                "task": action.task,
                "justification": action.justification,
                "labels": action.labels,
                "parent": action.parent,
            },
            "dry": dry,
            "seconds": PERFORM_SECONDS,
        }
        if tighten is not None and tighten.verdict > Verdict.ALLOW:
            asked["tighten"] = {
                "verdict": tighten.verdict.word,
                "risk": tighten.risk.name.lower(),
                "rule": tighten.rule,
                "reasons": tighten.reasons[:16],
                "advice": tighten.advice,
            }
        return asked

    def _options(self) -> dict[str, Any]:
        return {
            "headers": {**self._headers, "content-type": "application/json"},
            "timeout": httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            "limits": httpx2.Limits(max_connections=CONNECTIONS_MAX),
            "follow_redirects": False,
        }

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = _encoded(body)
        try:
            response = self._client.post(self.url + path, content=data)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        return self._read(response)

    async def _apost(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = _encoded(body)
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx2.AsyncClient(**self._options())
        try:
            response = await client.post(self.url + path, content=data)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        return self._read(response)

    def _unreachable(self, error: Exception) -> ServerError:
        return ServerError(
            f"the Aegis server at `{self.url}` cannot be reached "
            f"({type(error).__name__}: {error}); nothing is permitted without it"
        )

    def _read(self, response: httpx2.Response) -> dict[str, Any]:
        try:
            said = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeError):
            said = None
        if response.status_code == 200 and isinstance(said, dict):
            return said
        error = said.get("error") if isinstance(said, dict) else None
        message = error.get("message", "") if isinstance(error, dict) else ""
        hint = "; set AEGIS_API_KEY to a valid key" if response.status_code == 401 else ""
        if response.status_code == 400 and message:
            raise CallerError(message)
        raise ServerError(
            f"the Aegis server at `{self.url}` answered {response.status_code}"
            f"{': ' + message if message else ''}{hint}"
        )


class _Stateless:
    """The state of a program that keeps none: registered agents are on the server."""

    def epoch(self) -> int:
        """It never changes."""
        return 0

    def agents(self) -> Sequence[Agent]:
        """There are none here."""
        return ()


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body, enc_hook=_opaque)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ActionError(f"this cannot be sent to a server: {error}") from error


def _opaque(value: Any) -> Any:
    return {"python": type(value).__qualname__}


def _decided(action: Action, said: dict[str, Any]) -> Action:
    """The action as the server identified and, where it had to, masked it."""
    id, token, params = said.get("id"), said.get("token"), said.get("params", action.params)
    if not isinstance(id, str) or not isinstance(token, str) or not isinstance(params, dict):
        raise ServerError("the Aegis server said go without an id and a token")
    return msgspec.structs.replace(action, id=id, params=params)


def _report(said: dict[str, Any], view: View, value: Any) -> dict[str, Any]:
    return {"token": said["token"], "result": view.reply_recorded(value)}


def _failure(said: dict[str, Any], error: Exception) -> dict[str, Any]:
    message = str(error)[:4_000]
    return {"token": said["token"], "error": {"type": type(error).__qualname__, "message": message}}


def _failed(action: Action, error: Exception) -> Outcome:
    outcome = Outcome(action, "failed", Decision(Verdict.ALLOW), error=error, code="error")
    events.ended(outcome)
    return outcome


def _ended(action: Action, said: dict[str, Any], dry: bool) -> Outcome:
    """What the server said became of an action."""
    try:
        told = said["decision"]
        decision = Decision(
            Verdict.parse(told["verdict"]),
            RiskLevel[told["risk"].upper()],
            told["rule"],
            told["policy"],
            tuple(told["reasons"]),
            advice=told["advice"],
            obligations=tuple(told["obligations"]),
        )
        outcome = Outcome(
            msgspec.structs.replace(action, id=said["id"]),
            said["status"],
            decision,
            code=said["code"],
            findings=_FINDINGS.convert(said["findings"]),
            receipt=None if said["record"] is None else _RECEIPT.convert(said["record"]),
            approval=said["approval"],
            retry_after=said["retry_after"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServerError(f"the Aegis server answered something unusable: {error!r}") from error
    if not dry:
        events.ended(outcome)
    return outcome


def _performed(action: Action, said: dict[str, Any], view: View, value: Any) -> Outcome:
    outcome = _ended(action, said, False)
    if outcome.status != "performed":
        return outcome
    return msgspec.structs.replace(outcome, result=said.get("result", value))


def _unreported(action: Action, error: ServerError) -> ServerError:
    return ServerError(
        f"`{action.type}` was performed, and its outcome could not be reported, so the result is "
        f"withheld; the record says unknown, do not repeat it blindly ({error})"
    )


def _on_the_server(advice: str) -> NoReturn:
    raise CallerError(f"with AEGIS_URL, approvals and records are on the server: {advice}")
