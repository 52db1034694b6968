"""Sees to it that lent credentials end: with their action, with the agent's switch, with the
process, and after a crash with the next process. Renews what an action needs for longer.

One thread does all of it, so that no action waits for a service. Every end is a record: `ok`,
`failed` where the service refused or did not answer for half a minute, `unknown` where nobody can
end it any more, `unrevocable` where nobody ever could.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from ..ledger.record import AdminBody
from ..model import ANONYMOUS, Actor, AegisError
from ..plugin.broker import Credential
from ..plugin.contracts import RenewingBroker
from .state import Loan

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plugin.contracts import Broker
    from .state import StateStore

TRIES_MAX = 7
"""How often a revocation is tried: with doubling waits, for about half a minute."""

CLOSE_SECONDS = 5.0
"""How long closing waits for revocations; what is left is ended by the next process."""

WATCH_SECONDS = 0.2
"""How often the switches of agents and the time of renewals are looked at while anything is out."""

RENEW_AT = 2 / 3
"""Which part of its life a credential has behind it when it is renewed: a service may then be down
for the rest of it."""

RENEWED_SECONDS_MAX = 43_200
"""Longest a credential is kept alive by renewal: as long as one may be asked for."""

log = logging.getLogger("aegis.credentials")


class Out(msgspec.Struct):
    """A credential that was lent, for so many `seconds` at first. `why` says what ends it before
    its action does; `due` is when it is renewed, in seconds of the monotonic clock (0: never).
    """

    id: str
    broker: str
    credential: Credential
    actor: Actor = ANONYMOUS
    at: int = 0
    why: str = ""
    tries: int = 0
    due: float = 0.0
    seconds: int = 0


class Returns:
    """What is out, and the thread that ends it. `write` writes a record into a session; `killed`
    says whether an actor is switched off.
    """

    def __init__(self, state: StateStore, broker: Callable[[str], Broker], owner: str = "") -> None:
        self._state = state
        self._broker = broker
        self._owner = owner
        self._changed = threading.Condition()
        self._out: dict[str, Out] = {}
        self._ending: list[tuple[float, str, Out]] = []
        self._busy: Out | None = None
        self._stop = False
        self._epoch = -1
        self._thread: threading.Thread | None = None
        self.write: Callable[[str, AdminBody], object] | None = None
        self.killed: Callable[[Actor], bool] | None = None

    def lend(self, out: Out) -> None:
        """A credential is out from now on."""
        out.seconds = max((out.credential.expires - out.at) // 1_000_000, 1)
        out.due = self._renewal(out, out.at)
        with self._changed:
            self._out[out.id] = out
            self._start()

    def end(self, id: str, why: str = "") -> None:
        """See to it that a credential ends; one that is ending already is left alone."""
        with self._changed:
            out = self._out.pop(id, None)
            if out is not None:
                out.why = why
                self._push(out, 0.0)

    def recovered(self, loan: Loan) -> None:
        """See to it that what a dead process left ends."""
        self._left(loan, "its process died")

    def lost(self, loan: Loan) -> None:
        """A credential may have been made, and its answer never came."""
        self._left(loan, "its answer was lost")

    def close(self) -> None:
        """End everything that is out, for at most CLOSE_SECONDS."""
        for id in list(self._out):
            self.end(id, "the process ends")
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
        with self._changed:
            left = [out for _, _, out in self._ending]
            left += [self._busy] if self._busy is not None else []
            self._ending.clear()
        for out in left:
            self._told(out, "unknown", "the process ended before the service answered")

    def _left(self, loan: Loan, why: str) -> None:
        credential = Credential({}, loan.expires, handle=loan.handle)
        with self._changed:
            self._push(Out(loan.id, loan.broker, credential, why=why), 0.0)
            self._start()

    def _start(self) -> None:
        # a thread does not outlive a fork
        if not self._stop and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._serve, name="aegis-credentials")
            self._thread.daemon = True
            self._thread.start()

    def _push(self, out: Out, seconds: float) -> None:
        heapq.heappush(self._ending, (time.monotonic() + seconds, out.id, out))
        self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            with self._changed:
                out = self._next()
                self._busy = out
                if out is None and not self._out and not self._ending:
                    # nothing is out: the next lease starts another thread
                    self._thread = None
                    return
            if out is not None:
                self._end(out)
                self._busy = None
            self._watch()

    def _next(self) -> Out | None:
        """What is to be ended now, waited for at most WATCH_SECONDS."""
        if not self._ready() and not self._stop:
            self._changed.wait(WATCH_SECONDS)
        return heapq.heappop(self._ending)[2] if self._ready() else None

    def _ready(self) -> bool:
        return bool(self._ending) and (self._stop or self._ending[0][0] <= time.monotonic())

    def _watch(self) -> None:
        """End what agents hold that were switched off; renew what is due."""
        out = list(self._out.values())
        epoch = self._state.epoch() if out else self._epoch
        if epoch != self._epoch and self.killed is not None:
            self._epoch = epoch
            for one in out:
                if self.killed(one.actor):
                    self.end(one.id, "the agent was switched off")
        for one in out:
            if one.due and one.due <= time.monotonic() and one.id in self._out:
                self._renew(one, time.time_ns() // 1000)

    def _end(self, out: Out) -> None:
        """Try to revoke one credential; what became of it in the end is a record."""
        try:
            broker = self._broker(out.broker)
            if not broker.revocable:
                if out.why:
                    self._told(out, "unrevocable", "")
                return
            if out.why and not out.credential.fields and not out.credential.handle:
                self._told(out, "unknown", "there is nothing left by which it could be ended")
                return
            broker.revoke(out.credential)
        except Exception as error:
            log.warning("credential `%s` of broker `%s`: %s", out.id, out.broker, _reason(error))
            out.tries += 1
            if self._stop or out.tries >= TRIES_MAX:
                self._told(out, "failed", _reason(error))
            else:
                with self._changed:
                    self._push(out, (1 << out.tries) / 4)
            return
        self._told(out, "ok", "")

    def _told(self, out: Out, outcome: str, reason: str) -> None:
        details = {"because": out.why} if out.why else {}
        details |= {"reason": reason} if reason else {}
        # what has a handle and did not end is left for the next process
        over = outcome == "ok" or not out.credential.handle
        if self._record(out, "credential.revoke", details, outcome) and over:
            try:
                self._state.drop_loan(out.id)
            except AegisError as error:
                log.warning("credential `%s`: %s", out.id, error)

    def _renewal(self, out: Out, begins: int) -> float:
        """When a credential is to be renewed that is good from now, a time, to its expiry. No
        clock that is set makes it later.
        """
        credential = out.credential
        if not credential.renewable or not credential.expires:
            return 0.0
        return time.monotonic() + (credential.expires - begins) / 1e6 * RENEW_AT

    def _renew(self, out: Out, now: int) -> None:
        """Let a credential live longer; what cannot be renewed ends when it would have."""
        out.due = 0.0
        credential = out.credential
        most = (out.at - credential.expires) // 1_000_000 + RENEWED_SECONDS_MAX
        broker = self._broker(out.broker)
        if most <= 0 or not isinstance(broker, RenewingBroker):
            return
        details: dict[str, Any] = {}
        outcome = "ok"
        try:
            expires = broker.renew(credential, min(most, out.seconds))
            if expires > credential.expires:
                out.credential = msgspec.structs.replace(credential, expires=expires)
                out.due = self._renewal(out, now)
            details["expires"] = expires
            self._state.put_loan(Loan(out.id, out.broker, credential.handle, expires, self._owner))
        except Exception as error:
            outcome, details["reason"] = "failed", _reason(error)
            log.warning("credential `%s` of broker `%s`: %s", out.id, out.broker, _reason(error))
        self._record(out, "credential.renew", details, outcome)

    def _record(self, out: Out, event: str, details: dict[str, Any], outcome: str) -> bool:
        """Whether it is on record now, beside the action it was lent to where that is known."""
        details = {"lease": out.id, "broker": out.broker, **details}
        at = time.time_ns() // 1000
        body = AdminBody("aegis", at=at, details=details, event=event, outcome=outcome)
        try:
            if self.write is not None:
                self.write(out.actor.session or "admin", body)
        except AegisError as error:
            log.warning("credential `%s`: %s", out.id, error)
            return False
        return True


def _reason(error: Exception) -> str:
    """What may be said of an error: the words of our own, of others the type."""
    return str(error) if isinstance(error, AegisError) else type(error).__name__
