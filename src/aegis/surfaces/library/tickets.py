"""Checks tickets where the tool runs: a key and a place to remember are all it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...kernel import discover
from ...kernel.tickets import keys_of, use
from ...ledger.keys import load_identity
from ...model import Action, Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...approval.ticket import Ticket
    from ...kernel.state import StateStore
    from ...kernel.tickets import Nonces

    Key = str | Path


class TicketGate:
    """Lets a call through that comes with a ticket for it, once.

        gate = TicketGate("issuer.pub", "nonces.db")
        gate.verify(ticket, "billing__refund", {"order": 17}, agent="support")

    `keys` are those that `aegis ticket key` prints, or paths of files that hold one each.
    `nonces` is the file that remembers what was used, shared by all processes of the tool; or
    anything with the method `first_use`. Safe from several threads. Raises LedgerError for a key
    that is none, AegisError where the file cannot be used.
    """

    def __init__(self, keys: Key | Sequence[Key], nonces: str | Path | Nonces) -> None:
        given = [keys] if isinstance(keys, (str, Path)) else keys
        self._keys = keys_of(_text(each) for each in given)
        self._own: StateStore | None = None
        if isinstance(nonces, (str, Path)):
            self._own = nonces = discover.load("state", "sqlite")(Path(nonces))
        self._nonces: Any = nonces

    def verify(self, ticket: str, tool: str, params: dict[str, Any], *, agent: str = "") -> Ticket:
        """Use a ticket up for one call; what it says.

        `tool` is the name the action was decided under; behind an MCP gateway `SERVER__TOOL`, so
        that no server can use the tickets of another. `params` are all its arguments as they
        arrived, `agent` is who is known to call. Raises TicketError, whose `code` says why the
        call is not permitted.
        """
        call = Action(tool, "", params, actor=Actor(agent=agent))
        return use(ticket, call, self._keys, self._nonces)

    def close(self) -> None:
        """Release the file."""
        if self._own is not None:
            self._own.close()


def _text(key: str | Path) -> str:
    """A key as text: one has two `+`, a path is read."""
    if isinstance(key, str) and key.count("+") >= 2:
        return key
    return str(load_identity(key))
