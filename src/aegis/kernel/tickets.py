"""The section `tickets`: which actions need a ticket, and whose tickets are taken.

A surface says what ticket came with a request (`presenting`); the admit stage checks it against
the very action and uses it up. So a refusal takes the one path and leaves the one record.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..approval import ticket as form
from ..flow import Admission
from ..ledger.checkpoint import Identity
from ..ledger.keys import signer_at
from ..model import TicketError
from .grants import Matching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Protocol

    from ..approval.ticket import Ticket, Verify
    from ..model import Action
    from .settings import Settings
    from .state import StateStore

    class Nonces(Protocol):
        """Remembers what was used."""

        def first_use(self, channel: str, nonce: str, now: int, expires: int) -> bool:
            """Whether a nonce was never seen; kept until it expires."""
            ...


SEPARATOR = "__"
"""What stands between the names of an MCP server and of its tool."""

CHANNEL = "ticket"
"""Under which tickets are remembered among the nonces."""

_PRESENTED: ContextVar[str] = ContextVar("aegis_ticket", default="")


@contextmanager
def presenting(token: str) -> Iterator[None]:
    """Let the actions asked for within come with a ticket; an empty one is none."""
    before = _PRESENTED.set(token)
    try:
        yield
    finally:
        _PRESENTED.reset(before)


def use(token: str, call: Action, keys: Mapping[str, Verify], nonces: Nonces) -> Ticket:
    """Check a ticket against a call and use it up; what it says. Raises TicketError."""
    ticket = checked(token, call, keys)
    now = time.time_ns() // 1000
    issued = f"{ticket.iss}/{ticket.jti}"
    if not nonces.first_use(CHANNEL, issued, now, ticket.kept_until):
        raise TicketError("used", "the ticket was used already; it is good for one call")
    return ticket


def checked(token: str, call: Action, keys: Mapping[str, Verify]) -> Ticket:
    """What a ticket says that permits this call now. Raises TicketError."""
    ticket = form.read(token, keys)
    form.check(ticket, call, time.time_ns() // 1000)
    return ticket


def keys_of(texts: Iterable[str]) -> dict[str, Verify]:
    """Verifier keys (C2SP signed-note) by fingerprint. Raises LedgerError."""
    known = [Identity.parse(text) for text in texts]
    return {identity.fingerprint: identity.verify for identity in known}


def own_key(home: Path) -> str:
    """The verifier key of the tickets a home issues; made on first use. Raises LedgerError."""
    return str(signer_at(home / form.KEY_FILE).identity)


class Tickets:
    """The tickets of one runtime."""

    def __init__(self, settings: Settings, state: StateStore) -> None:
        """Raises LedgerError where a key is none."""
        self._state = state
        self._required = tuple(Matching(each) for each in settings.tickets.require)
        self._home = Path(settings.home)
        self._name = settings.tickets.known_as
        self._keys = keys_of(settings.tickets.issuers)

    def admit(self, action: Action, dry: bool) -> Admission | None:
        """The refusal of an action that comes without the ticket it needs, or with one that is not
        for it; None where it may go on. A `dry` one is checked and stays good.
        """
        token = _PRESENTED.get()
        try:
            if not token:
                if self._required:
                    self._need(action)
                return None
            call = self._named(action)
            if dry:
                checked(token, call, self.trusted())
            else:
                # what the performance asks for itself needs tickets of its own
                _PRESENTED.set("")
                use(token, call, self.trusted(), self._state)
        except TicketError as error:
            return Admission("ticket", f"{error.code}: {error}", f"<ticket-{error.code}>")
        return None

    def trusted(self) -> Mapping[str, Verify]:
        """The keys of the configuration, and that of this home once it has issued anything."""
        if (self._home / form.KEY_FILE).exists():
            self._keys.update(keys_of([own_key(self._home)]))
        return self._keys

    def _named(self, action: Action) -> Action:
        """The action as the gateway before this one names it."""
        if action.protocol != "mcp" or not self._name:
            return action
        return replace(action, type=f"{self._name}{SEPARATOR}{action.type}")

    def _need(self, action: Action) -> None:
        """Raise TicketError where an action needs a ticket."""
        if any(each.matches(action) for each in self._required):
            raise TicketError("missing", f"`{action.type[:80]}` is performed with a ticket only")
