"""Lends credentials to single actions, and ends them when the action ends.

A broker mints, the performance uses, and a thread revokes: again and again where the service does
not answer, and after a crash what is left by its handle. The secret stays in memory, in the lease
of the one performance it is for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from queue import Empty, Queue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import uuid_utils

from ..flow import Lent
from ..model import AegisError, CallerError
from ..plugin.broker import Credential, Wanted
from .grants import filled, plain, scoped
from .state import Loan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..model import Action
    from ..plugin.contracts import Broker
    from .settings import CredentialGrant
    from .state import StateStore

    Build = Callable[[], Mapping[str, Broker]]

TRIES_MAX = 6
"""How often a revocation is tried: with doubling waits, for about half a minute."""

CLOSE_SECONDS = 5.0
"""How long closing waits for revocations; what is left is ended after its expiry."""

VALUE_MAX = 16_384
"""Longest header, variable or connection made of a credential, in characters."""

log = logging.getLogger("aegis.credentials")


class Lease(msgspec.Struct, frozen=True):
    """What one performance was lent: headers, variables, entries of `_meta` and a connection made
    of the credential, and its fields. Shows nothing of them when printed.
    """

    id: str
    broker: str
    credential: Credential
    headers: Mapping[str, str]
    env: Mapping[str, str]
    meta: Mapping[str, str]
    connection: str = ""

    @property
    def fields(self) -> Mapping[str, str]:
        """The secrets of the credential, by name."""
        return self.credential.fields

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Lease({self.id!r}, {self.broker!r})"


_LENT: ContextVar[Lease | None] = ContextVar("aegis_lease", default=None)


def lent() -> Lease | None:
    """What the performance under way was lent; None outside of one, and where it needs nothing."""
    return _LENT.get()


def lent_headers() -> Mapping[str, str]:
    """The headers of what the performance under way was lent; mostly none."""
    lease = _LENT.get()
    return lease.headers if lease is not None else _NONE


def lent_meta() -> Mapping[str, str]:
    """What it was lent for the `_meta` of a request to an MCP server; mostly nothing."""
    lease = _LENT.get()
    return lease.meta if lease is not None else _NONE


_NONE: Mapping[str, str] = MappingProxyType({})


@contextmanager
def lending(lease: Lease) -> Iterator[None]:
    """Let the performance within see its lease."""
    token = _LENT.set(lease)
    try:
        yield
    finally:
        _LENT.reset(token)


class Lender:
    """The brokers of one home. `record` records an administrative act."""

    def __init__(self, state: StateStore, build: Build) -> None:
        """`build` makes the brokers, when the first credential is needed."""
        self._state = state
        self._build = build
        self._built: Mapping[str, Broker] | None = None
        self._lock = threading.Lock()
        self._returned: Queue[Lease] = Queue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.record: Callable[..., object] | None = None

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
        wanted = Wanted(id, action, scoped(grant.scope, action), int(grant.ttl_seconds), policy)
        credential = broker.mint(wanted)
        at = time.time_ns() // 1000
        try:
            lease = _lease(id, grant, credential)
        except CallerError:
            broker.revoke(credential)
            raise
        if credential.handle:
            until = credential.expires or at + int(grant.ttl_seconds * 1e6)
            self._state.put_loan(Loan(id, grant.broker, credential.handle, until))
        return Lent(lease, _provenance(lease, action, at, broker.degraded), at)

    def give_back(self, lease: Lease) -> None:
        """See to it that a credential ends. Returns at once."""
        self._returned.put(lease)
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._serve, name="aegis-credentials")
                self._thread.daemon = True
                self._thread.start()

    def close(self) -> None:
        """Revoke what was given back, and end. What is left is ended after its expiry."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
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

    def _serve(self) -> None:
        self._sweep()
        while True:
            try:
                lease = self._returned.get(timeout=0.2)
            except Empty:
                if self._stop.is_set():
                    return
                continue
            self._end(lease.id, lease.broker, lease.credential)

    def _sweep(self) -> None:
        """End what processes that died have left, once its time is over."""
        try:
            for loan in self._state.loans(time.time_ns() // 1000):
                self._end(loan.id, loan.broker, Credential({}, loan.expires, handle=loan.handle))
        except AegisError as error:
            log.warning("credentials left by earlier processes: %s", error)

    def _end(self, id: str, name: str, credential: Credential) -> None:
        """Revoke one credential, trying again; what became of it is a record."""
        why = ""
        for attempt in range(TRIES_MAX):
            try:
                self._broker(name).revoke(credential)
                why = ""
                break
            except Exception as error:
                why = str(error) if isinstance(error, AegisError) else type(error).__name__
                log.warning("credential `%s` of broker `%s`: %s", id, name, why)
            self._stop.wait((1 << attempt) / 2)
        try:
            if not why:
                self._state.drop_loan(id)
            if self.record is not None:
                details = {"lease": id, "broker": name, **({"reason": why} if why else {})}
                outcome = "failed" if why else "ok"
                self.record("credential.revoke", by="aegis", details=details, outcome=outcome)
        except AegisError as error:
            log.warning("credential `%s`: %s", id, error)


def _lease(id: str, grant: CredentialGrant, credential: Credential) -> Lease:
    fields = credential.fields
    made = [
        {name: filled(text, fields) for name, text in part.items()}
        for part in (grant.headers, grant.env, grant.meta)
    ]
    connection = filled(grant.connection, fields)
    for value in (*(text for part in made for text in part.values()), connection):
        # a line end in a header would begin another one
        if len(value) > VALUE_MAX or not (value.isprintable() or not value):
            raise CallerError(f"what broker `{grant.broker}` minted cannot stand in a header")
    return Lease(id, grant.broker, credential, made[0], made[1], made[2], connection)


def _provenance(lease: Lease, action: Action, at: int, degraded: bool) -> dict[str, Any]:
    """What the record says of a credential. The fingerprint tells two apart, and is no secret."""
    credential = lease.credential
    hashed = sha256(msgspec.json.encode(dict(credential.fields), order="sorted")).hexdigest()
    return {
        "action": action.id,
        "lease": lease.id,
        "broker": lease.broker,
        "scope": plain(credential.scope),
        "issued": at,
        "expires": credential.expires,
        "fingerprint": f"sha256:{hashed[:12]}",
        "degraded": degraded,
    }
