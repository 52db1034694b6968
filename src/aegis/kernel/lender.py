"""Lends credentials to single actions.

A broker mints, the performance uses, and `returns.py` sees to it that the credential ends. The
secret stays in memory, in the lease of the one performance it is for. What could outlive this
process is noted before it is asked for, so that the next process knows of it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import uuid_utils

from ..flow import Lent
from ..model import CallerError
from ..plugin.broker import Wanted
from .grants import scoped
from .lease import Lease, lease_of, provenance
from .returns import Out, Returns
from .state import Loan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model import Action
    from ..plugin.contracts import Broker
    from .settings import CredentialGrant
    from .state import StateStore

    Build = Callable[[], Mapping[str, Broker]]


class Lender:
    """The brokers of one home. `owner` names this process among those of the home."""

    def __init__(self, state: StateStore, build: Build, owner: str = "") -> None:
        """`build` makes the brokers, when the first credential is needed."""
        self._state = state
        self._build = build
        self._owner = owner
        self._built: Mapping[str, Broker] | None = None
        self._lock = threading.Lock()
        self.returns = Returns(state, self._broker, owner)

    def replace(self, build: Build) -> None:
        """Put newly built brokers in force. Raises ConfigError, PluginError."""
        old, built = self._built, dict(build()) if self._built is not None else None
        self._build, self._built = build, built
        for broker in (old or {}).values():
            broker.close()

    def mint(self, grant: CredentialGrant, action: Action, policy: str) -> Lent:
        """A credential for an action that was decided. Raises AegisError where there is none."""
        broker = self._broker(grant.broker)
        id = f"cr_{uuid_utils.uuid7().hex}"
        scope = scoped(grant.scope, action)
        wanted = Wanted(id, action, scope, int(grant.ttl_seconds), policy)
        at = time.time_ns() // 1000
        loan = Loan(id, grant.broker, "", at + int(grant.ttl_seconds * 1e6), self._owner)
        if broker.revocable:
            self._state.put_loan(loan)
        try:
            credential = broker.mint(wanted)
        except CallerError:
            self._state.drop_loan(id)  # nothing was asked for
            raise
        except Exception:
            self.returns.lost(loan)
            raise
        out = Out(id, grant.broker, credential, action.actor, at)
        try:
            lease = lease_of(id, grant, credential)
            if broker.revocable:
                until = credential.expires or loan.expires
                loan = Loan(id, grant.broker, credential.handle, until, self._owner)
                self._state.put_loan(loan)
        except BaseException:
            self.returns.lend(out)
            self.returns.end(id)
            raise
        self.returns.lend(out)
        return Lent(lease, provenance(lease, action, at, broker), at)

    def give_back(self, lease: Lease) -> None:
        """See to it that a credential ends. Returns at once."""
        self.returns.end(lease.id)

    def recover(self, idle: Callable[[], set[str]]) -> None:
        """End what dead processes left: those that had this one's name, and the `idle` ones, which
        are asked for where there is anything. Raises AegisError where the state cannot be read.
        """
        loans = self._state.loans()
        dead: set[str] = set()
        if self._owner and any(loan.owner != self._owner for loan in loans):
            dead = idle()
        now = time.time_ns() // 1000
        for loan in loans:
            mine = loan.owner == self._owner and bool(self._owner)
            late = not loan.owner and loan.expires <= now
            if (mine or late or loan.owner in dead) and self._state.take_loan(loan, self._owner):
                self.returns.recovered(loan)

    def close(self) -> None:
        """Revoke everything that is out. What cannot be revoked in time is recorded so."""
        self.returns.close()
        for broker in (self._built or {}).values():
            broker.close()

    def _broker(self, name: str) -> Broker:
        with self._lock:
            if self._built is None:
                self._built = dict(self._build())
            broker = self._built.get(name)
        if broker is None:
            raise CallerError(f"there is no broker `{name}`")
        return broker
