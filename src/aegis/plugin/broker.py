"""The values that credential brokers exchange with Aegis (see `contracts.Broker`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from ..model import Action


class Context(msgspec.Struct, frozen=True):
    """What a broker is given at construction: its name in the configuration, for errors, and the
    home folder, for keys of its own.
    """

    name: str
    home: Path


class Wanted(msgspec.Struct, frozen=True):
    """What a credential is wanted for: the decided action, the scope the configuration gives it
    (the action's own words filled in), how long it may live, the id it is known by, and the
    version of the policy that let the action through.
    """

    lease: str
    action: Action
    scope: Mapping[str, Any]
    ttl_seconds: int
    policy: str = ""


class Credential(msgspec.Struct, frozen=True):
    """A minted credential. `fields` are its secrets by name, for the one performance it is for;
    `expires` is in microseconds since the Unix epoch (0: it does not). `scope` says in words what
    it permits, and `handle` what revoking needs: neither holds a secret, and both are kept.
    A `renewable` one the broker can let live longer, while its action takes longer.
    """

    fields: Mapping[str, str]
    expires: int = 0
    scope: Mapping[str, Any] = MappingProxyType({})
    handle: str = ""
    renewable: bool = False

    def __repr__(self) -> str:
        """Without the fields."""
        return f"Credential(scope={dict(self.scope)!r})"
