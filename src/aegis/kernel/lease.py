"""What one performance was lent, and how the performance gets at it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import CallerError
from ..plugin.broker import Credential
from .grants import filled, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Action
    from ..plugin.contracts import Broker
    from .settings import CredentialGrant

VALUE_MAX = 16_384
"""Longest header, variable or connection made of a credential, in characters."""


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
_NONE: Mapping[str, str] = MappingProxyType({})


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


@contextmanager
def lending(lease: Lease) -> Iterator[None]:
    """Let the performance within see its lease."""
    token = _LENT.set(lease)
    try:
        yield
    finally:
        _LENT.reset(token)


def lease_of(id: str, grant: CredentialGrant, credential: Credential) -> Lease:
    """The lease of a minted credential. Raises CallerError where it does not fit the grant."""
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


def provenance(lease: Lease, action: Action, at: int, broker: Broker) -> dict[str, Any]:
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
        "degraded": broker.degraded,
        "revocable": broker.revocable,
    }
