"""The door. `Runtime.govern` and `Runtime.agovern` are the only places that start a flow.

A runtime holds the built parts of one configuration: rules (policy, guards), ledger journal,
state, approval desk, admission gate, providers. Surfaces translate their wire into an Action,
call the door with a way to perform it, and translate the Outcome back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from uuid_utils import uuid7

from ..approval import ALWAYS, APPROVED, ONCE, PENDING, Vote
from ..flow import PLAIN, Parked, run
from ..flow.drive import Diverged, drive_async, drive_sync, pack, replay, unpack
from ..ledger.record import AdminBody
from ..model import Action, ActionError, Actor, CallerError, HeldError, freeze
from ..tools.names import capability
from ..tools.read import READ_PROTOCOLS, as_read
from .events import tell
from .follow import followed
from .mender import Mender
from .meter import Meter
from .ports import Ports, Source, now
from .proposals import proposal, write_proposal
from .state import ACTION, ACTIVE, PAUSED, Agent, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..approval import Request
    from ..flow import Rules, View
    from ..flow.drive import Flow, Trail
    from ..flow.effects import Effect
    from ..flow.rules import Decider
    from ..model import Outcome, Receipt
    from ..plugin.contracts import Sink
    from .admission import Gate
    from .desk import Desk
    from .dispatch import Dispatch
    from .journal import Journal
    from .keys import Keys
    from .lender import Lender
    from .ports import Asker
    from .settings import Settings
    from .state import StateStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What a runtime is built from (see `build.py`)."""

    settings: Settings
    rules: Rules
    journal: Journal
    state: StateStore
    keys: Keys
    desk: Desk
    gate: Gate
    dispatch: Dispatch
    lender: Lender
    sinks: tuple[Sink, ...] = ()
    mender: Mender | None = None


class Runtime:
    """Governs actions with one set of parts."""

    def __init__(self, parts: Parts, *, session: str = "", asker: Asker | None = None) -> None:
        self.settings = parts.settings
        self.rules = parts.rules
        self.journal = parts.journal
        self.state = parts.state
        self.keys = parts.keys
        self.desk = parts.desk
        self.gate = parts.gate
        self.dispatch = parts.dispatch
        self.lender = parts.lender
        self.sinks = parts.sinks
        self.mender = parts.mender or Mender(parts.journal)
        self.meter = Meter()
        self.session = session or str(uuid7())
        self.closed = False
        self.ports = Ports(
            self.mender,
            self.gate,
            self.desk,
            self.meter,
            asker,
            parts.lender,
        )

    def under(self, policy: Decider, session: str = "") -> Runtime:
        """The same parts under another policy; what stands beside the old one stays."""
        rules = followed(self.rules, policy)
        self.gate.sessions.follow.want(rules.policy)
        return self.ruled(rules, session)

    def ruled(self, rules: Rules, session: str = "") -> Runtime:
        """The same parts under other rules."""
        parts = Parts(
            self.settings,
            rules,
            self.journal,
            self.state,
            self.keys,
            self.desk,
            self.gate,
            self.dispatch,
            self.lender,
            self.sinks,
            self.mender,
        )
        return Runtime(parts, session=session or self.session, asker=self.ports.asker)

    def govern(
        self,
        action: Action,
        perform: Callable[[Action], Any],
        view: View = PLAIN,
        *,
        dry: bool = False,
    ) -> Outcome:
        """Take an action along the path on this thread; `perform` is called if it may happen.

        A refusal is an Outcome, not an exception. Review waits for a person, at most
        `approvals.wait_seconds`. Raises ActionError for actions nested too deeply or
        without a type.
        """
        ports = self.ports
        flow = run(self._stamp(action, view), self.rules, view, perform, dry=dry)
        outcome = drive_sync(flow, ports.sync, None, ports.late)
        self._ended(outcome)
        return outcome

    def agovern(
        self,
        action: Action,
        perform: Callable[[Action], Any],
        view: View = PLAIN,
        *,
        stream: bool = False,
        emit: Callable[[Any], Any] | None = None,
        park: bool = False,
        dry: bool = False,
    ) -> Coroutine[Any, Any, Outcome]:
        """Take an action along the path on an event loop.

        `perform(action)` returns the result or an awaitable of it; with `stream`, also an async
        iterator of events: `emit(event)` hands the judged ones to the caller. With `park`, an
        action nobody approves in time is stored and HeldError raised: `aresume` continues it.
        """
        action = self._stamp(action, view)
        flow = run(action, self.rules, view, perform, stream=stream, dry=dry)
        trail: Trail | None = [] if park else None
        return self._drive(flow, action, trail, stream, emit)

    async def aresume(
        self,
        run_id: str,
        perform: Callable[[Action], Any],
        view: View = PLAIN,
        *,
        stream: bool = False,
        emit: Callable[[Any], Any] | None = None,
    ) -> Outcome:
        """Continue a parked run: what it had been answered is replayed, then it goes on.

        Raises CallerError where there is no such run (any more), HeldError where nobody has
        answered yet.
        """
        flow, action, trail, effect = self._unpark(run_id, perform, view, stream)
        return await self._drive(flow, action, trail, stream, emit, effect)

    def resume(self, run_id: str, perform: Callable[[Action], Any], view: View = PLAIN) -> Outcome:
        """Continue a parked run on this thread (see `aresume`)."""
        flow, _, trail, effect = self._unpark(run_id, perform, view, False)
        ports = self.ports
        outcome = drive_sync(flow, ports.sync, trail, ports.late, begun=effect)
        self._ended(outcome)
        return outcome

    # administrative acts: each is a record

    def kill(self, name: str, *, by: str, reason: str = "") -> None:
        """Switch an agent off, effective on its next call in every process on this home."""
        self._set_status(name, PAUSED, by, reason)

    def revive(self, name: str, *, by: str) -> None:
        """Switch an agent on again."""
        self._set_status(name, ACTIVE, by, "")

    def answer(
        self,
        id: str,
        approve: bool,
        *,
        by: str,
        comment: str = "",
        channel: str = "cli",
        scope: str = ONCE,
    ) -> Request:
        """Store and record a person's answer to an approval. With the scope `always` a rule for
        it is proposed, too (see `proposals.py`). Raises CallerError.
        """
        propose = None
        if approve and scope == ALWAYS:
            found = self.desk.find(id)
            propose = proposal(found) if found is not None else None
        request = self.desk.answer(id, approve, Vote(by, 0, channel, comment), scope=scope)
        details: dict[str, Any] = {"approval": id, "state": request.state, "channel": channel}
        details |= {"scope": scope, "votes": len(request.votes), "needed": request.needed}
        if propose is not None and request.state == APPROVED:
            details["proposal"] = str(write_proposal(Path(self.settings.home), id, propose))
        self.admin("approval.answer", by=by, details=details)
        return request

    def expired(self, request: Request) -> None:
        """Record that nobody answered a request in time."""
        details = {"approval": request.id, "type": request.type, "votes": len(request.votes)}
        self.admin("approval.expired", by="system", details=details)

    def admin(
        self,
        event: str,
        *,
        by: str,
        details: Any = None,
        ip: str = "",
        user_agent: str = "",
        outcome: str = "ok",
    ) -> Receipt:
        """Record a privileged act; returns once it is on disk. Raises LedgerError."""
        body = AdminBody(
            actor=by,
            at=now(),
            details=self.rules.redact(details) if details is not None else None,
            event=event,
            ip=ip,
            outcome=outcome,
            user_agent=user_agent,
        )
        return self.mender.written("admin", body)

    def replace(self, parts: Parts) -> None:
        """Swap in newly built rules, limits and providers; running flows keep their own."""
        self.settings = parts.settings
        self.rules = parts.rules
        self.gate.set_limits(parts.settings.limits)
        self.desk.settings = parts.settings.approvals
        self.dispatch = parts.dispatch
        self.sinks = parts.sinks

    def ready(self) -> dict[str, bool]:
        """Whether each part can do its work."""
        return {"ledger": self.mender.steady, "state": not self.closed}

    def close(self) -> None:
        """Write everything out and release files. Idempotent.

        Raises LedgerError where records could not be stored; all the rest is closed then too.
        """
        if not self.closed:
            self.closed = True
            self.desk.courier.close()
            self.lender.close()
            self.mender.end()
            try:
                self.journal.close()
            finally:
                self.state.close()

    def _ended(self, outcome: Outcome) -> None:
        self.meter.ended(outcome)
        if self.sinks:
            tell(self.sinks, outcome, self.rules.redact)

    def _stamp(self, action: Action, view: View) -> Action:
        """The action as the flow sees it: identified, timed, attributed, with params that nobody
        else can change.
        """
        if not action.type.strip():
            raise ActionError("an action needs a type: the name of the tool or method")
        private = view.private
        if action.protocol in READ_PROTOCOLS and not view.read:
            params = action.params if private else freeze(action.params)
            action, private = as_read(replace(action, params=params)), True
        actor = action.actor
        if not actor.session:
            actor = Actor(actor.principal, actor.agent, self.session, actor.tenant, actor.chain)
        params = action.params
        # positional, in the order of the fields: this runs once per action
        return Action(
            action.type,
            action.target,
            params if private or not params else freeze(params),
            action.description,
            action.protocol,
            actor,
            action.content,
            action.capability or capability(action.type, action.protocol),
            action.environment or self.settings.environment,
            action.resources,
            action.task,
            action.justification,
            action.parent,
            action.labels,
            action.id or str(uuid7()),
            action.time or now(),
        )

    async def _drive(
        self,
        flow: Flow,
        action: Action,
        trail: Trail | None,
        stream: bool,
        emit: Callable[[Any], Any] | None,
        begun: Effect | None = None,
    ) -> Outcome:
        source = Source() if stream else None
        port = self.ports.asynchronous(source, emit, trail is not None)
        try:
            outcome = await drive_async(
                flow, port, trail, self.ports.late, asyncio.CancelledError, begun=begun
            )
        except Parked as parked:
            self._park(parked, action, trail or [], stream)
            raise HeldError(
                f"waits for a person: approval `{parked.approval}`",
                run=parked.run,
                approval=parked.approval,
            ) from None
        finally:
            if source is not None:
                await source.close()
        self._ended(outcome)
        return outcome

    def _park(self, parked: Parked, action: Action, trail: Trail, stream: bool) -> None:
        try:
            packed = pack(trail)
            stored = msgspec.json.encode(action)
        except TypeError as error:
            raise CallerError(
                f"this action cannot wait across processes, its params are not JSON: {error}"
            ) from error
        owner = action.actor.principal
        self.state.add_run(Run(parked.run, parked.approval, stored, packed, stream, now(), owner))

    def _unpark(
        self, run_id: str, perform: Callable[[Action], Any], view: View, stream: bool
    ) -> tuple[Flow, Action, Trail, Effect]:
        stored = self.state.run(run_id)
        if stored is not None:
            request = self.desk.find(stored.approval)
            if request is not None and request.state == PENDING:
                raise HeldError(
                    f"still waits for a person: approval `{stored.approval}`",
                    run=run_id,
                    approval=stored.approval,
                )
        if stored is None:
            raise CallerError(f"no parked run `{run_id}`: it ended, or somebody continued it")
        action = ACTION.decode(stored.action)
        # what was true when it was parked need not be: an agent may be switched off meanwhile
        if (admission := self.gate.readmit(action)).code:
            raise CallerError(f"run `{run_id}` cannot go on: {admission.reason}")
        if not self.state.take_run(run_id):
            raise CallerError(f"somebody else continued run `{run_id}`")
        trail = unpack(stored.trail)
        flow = run(action, self.rules, view, perform, stream=stream)
        try:
            effect = replay(flow, trail)
        except Diverged as error:
            raise CallerError(
                f"run `{run_id}` was parked under other rules ({error}); request it again"
            ) from error
        return flow, action, trail, effect

    def _set_status(self, name: str, status: str, by: str, reason: str) -> None:
        self.state.change_agent(
            name,
            lambda known: msgspec.structs.replace(
                known or Agent(name), status=status, reason=reason, updated=now()
            ),
        )
        event = "agent.kill" if status == PAUSED else "agent.revive"
        self.admin(event, by=by, details={"agent": name, "reason": reason})


__all__ = ["Parts", "Runtime"]
