"""Capability tickets: a decided action in a form another process can check, once.

A ticket is a JWS in compact form (RFC 7515, EdDSA of RFC 8037). Its claims name everything the
digest of the action covers but the arguments; whoever is called puts in the arguments it got, and
only those that were decided give the same digest. Pure: keys, times and the memory of what was
used come in from outside. The format is described in `spec/ticket.md`.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..model import Action, Actor, Prepared, TicketError
from .binding import DEFINITION, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Verify = Callable[[bytes, bytes], bool]

Part = TypeVar("Part")

KEY_FILE = "ticket.key"
"""Where a home keeps the key it issues with: PKCS #8 in PEM, mode 0600, like that of its ledger."""

TYP = "aegis-ticket+jwt"
"""The `typ` of the header: no other token is taken for a ticket (RFC 8725, 3.11)."""

TOKEN_MAX = 8_192
"""Longest ticket that is looked at, in characters: it has to fit into a header."""

SKEW_SECONDS = 30
"""How far the clocks of issuer and verifier may differ."""

LIFE_SECONDS_MAX = 3_600
"""Longest a ticket may live: what was used is remembered for so long."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header. `kid` is the fingerprint of the issuer's key."""

    alg: str
    kid: str
    typ: str


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a ticket says. Fields stand in the byte order of their names, so that there is one
    encoding. `exp`, `iat` and `nbf` are Unix seconds; `jti` makes the ticket one of a kind, and is
    the lease in the issuer's ledger. `actor` is principal, agent, tenant and delegation chain.
    """

    act: str
    actor: tuple[str, str, str, tuple[str, ...]]
    dig: str
    env: str
    exp: int
    iat: int
    iss: str
    jti: str
    labels: tuple[str, ...]
    nbf: int
    pol: str
    proto: str
    target: str
    tool: str

    @property
    def agent(self) -> str:
        """The agent that may use it."""
        return self.actor[1]

    @property
    def kept_until(self) -> int:
        """How long its use has to be remembered, in microseconds since the Unix epoch."""
        return (self.exp + SKEW_SECONDS + 1) * 1_000_000


_HEADER, _TICKET = Prepared(Header), Prepared(Ticket)


def ticket_for(
    action: Action, policy: str, life: tuple[int, int], issuer: str, nonce: str
) -> Ticket:
    """What a ticket for a decided action says. `life` is when it begins and ends, Unix seconds."""
    actor = action.actor
    begins, ends = life
    return Ticket(
        act=action.id,
        actor=(actor.principal, actor.agent, actor.tenant, actor.chain),
        dig=digest(action, policy),
        env=action.environment,
        exp=ends,
        iat=begins,
        iss=issuer,
        jti=nonce,
        labels=tuple(sorted(label for label in action.labels if label.startswith(DEFINITION))),
        nbf=begins,
        pol=policy,
        proto=action.protocol,
        target=action.target,
        tool=action.type,
    )


def issue(ticket: Ticket, kid: str, sign: Callable[[bytes], bytes]) -> str:
    """The ticket as it travels. `sign` makes the Ed25519 signature over bytes."""
    said = f"{_part(Header('EdDSA', kid, TYP))}.{_part(ticket)}"
    return f"{said}.{_text(sign(said.encode()))}"


def read(token: str, keys: Mapping[str, Verify]) -> Ticket:
    """What a ticket says that one of the keys, by fingerprint, has signed. Raises TicketError."""
    said, _, signature = token.rpartition(".")
    head, _, claims = said.partition(".")
    if len(token) > TOKEN_MAX or not token.isascii():
        raise TicketError("malformed", "this is no ticket")
    header = _decoded(head, _HEADER)
    if header.alg != "EdDSA" or header.typ != TYP:
        raise TicketError("malformed", "this is a token, but no ticket")
    verify = keys.get(header.kid)
    if verify is None:
        why = f"the ticket is signed by `{header.kid[:80]}`, which nobody here trusts"
        raise TicketError("issuer", why)
    if not verify(said.encode(), _bytes(signature)):
        raise TicketError("signature", "the signature of the ticket is wrong")
    return _decoded(claims, _TICKET)


def check(ticket: Ticket, call: Action, now: int) -> None:
    """Raise TicketError unless the ticket permits this call at this time (microseconds since the
    Unix epoch).

    Of the call, type, params and the actor's agent count: the rest is what the ticket says.
    """
    seconds = now / 1e6
    if ticket.exp - ticket.nbf > LIFE_SECONDS_MAX:
        raise TicketError("malformed", f"the ticket lives longer than {LIFE_SECONDS_MAX} seconds")
    if seconds < ticket.nbf - SKEW_SECONDS:
        raise TicketError("early", "the ticket is not valid yet; do the clocks agree?")
    if seconds >= ticket.exp + SKEW_SECONDS:
        raise TicketError("expired", "the ticket has expired; the action has to be requested again")
    if ticket.tool != call.type:
        raise TicketError("tool", f"the ticket is for `{ticket.tool[:80]}`, not `{call.type[:80]}`")
    if ticket.agent != call.actor.agent:
        who = f"the ticket is for agent `{ticket.agent[:80]}`, not `{call.actor.agent[:80]}`"
        raise TicketError("agent", who)
    if digest(_decided(ticket, call.params), ticket.pol) != ticket.dig:
        raise TicketError("arguments", "the ticket is for other arguments than these")


def _decided(ticket: Ticket, params: Any) -> Action:
    """The action a ticket is for, if these are its arguments."""
    principal, agent, tenant, chain = ticket.actor
    return Action(
        ticket.tool,
        ticket.target,
        params,
        protocol=ticket.proto,
        actor=Actor(principal, agent, "", tenant, chain),
        environment=ticket.env,
        labels=ticket.labels,
    )


def _decoded(part: str, kind: Prepared[Part]) -> Part:
    """One part of a ticket. Only the one encoding of what it says is taken."""
    try:
        value = kind.decode(_bytes(part))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TicketError("malformed", "this is no ticket, or not all of it") from None
    if _part(value) != part:
        raise TicketError("malformed", "the ticket is not in its one encoding")
    return value


def _bytes(part: str) -> bytes:
    """The bytes of one part. Raises TicketError."""
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        data = b""
    # the decoder takes what the encoder would not write
    if not data or _text(data) != part:
        raise TicketError("malformed", "this is no ticket, or not all of it")
    return data


def _part(value: Any) -> str:
    return _text(msgspec.json.encode(value))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
