"""Capability tickets: what is lent is the right to make this one call, once.

Nothing is asked of anybody: the home's own key signs. Whoever performs the call passes the ticket
on, and the process that is called checks it (`aegis.TicketGate`, `aegis ticket verify`, another
Aegis). It cannot be taken back; it ends when it was used, or soon.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from ...approval import ticket
from ...ledger.keys import signer_at
from ...model import CallerError
from ...plugin.broker import Credential

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted


class TicketSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It takes no options: the key lies in the home folder, and is made there on first use."""


class TicketBroker:
    """Mints one ticket for each action: field `ticket`."""

    Settings = TicketSettings
    degraded = False
    revocable = False

    def __init__(self, settings: TicketSettings, context: Context) -> None:
        self._name = context.name
        self._key = context.home / ticket.KEY_FILE

    def mint(self, wanted: Wanted) -> Credential:
        """A ticket for this action. Raises AegisError where the key cannot be used, or the action
        is too large to stand in one.
        """
        if wanted.scope:
            raise CallerError(f"{self._name}: a ticket is for one call; it takes no scope")
        signer = signer_at(self._key)
        identity = signer.identity
        now = int(time.time())
        life = now, now + min(wanted.ttl_seconds, ticket.LIFE_SECONDS_MAX)
        said = ticket.ticket_for(wanted.action, wanted.policy, life, identity.name, wanted.lease)
        token = ticket.issue(said, identity.fingerprint, signer.sign_bytes)
        if len(token) > ticket.TOKEN_MAX:
            raise CallerError(f"{self._name}: the names of this action are too long for a ticket")
        scope = {"tool": said.tool, "digest": said.dig, "key": identity.fingerprint}
        return Credential({"ticket": token}, said.exp * 1_000_000, scope)

    def revoke(self, credential: Credential) -> None:
        """What was handed out cannot be taken back; it ends by itself."""

    def close(self) -> None:
        """There is no connection."""
