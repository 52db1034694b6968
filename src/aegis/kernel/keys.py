"""Virtual keys: made here, shown once, kept as hashes, looked up in memory.

A token carries 256 random bits, so a plain SHA-256 keeps it safe at rest; a slow password hash
would only slow every request down. Those that were used stay in memory until keys change.
"""

from __future__ import annotations

import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, TypedDict, Unpack

import msgspec

from ..model import CallerError, Principal
from .state import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .state import StateStore

PREFIX = "sk-aegis-"
TOKEN_MAX = 256
"""Longest token looked at, in characters; longer ones are not ours."""


APPROVER, OPERATOR = "approver", "operator"
ROLES = (APPROVER, OPERATOR)
"""What a key may be for besides asking: answering approvals; switching agents on again."""


class Terms(TypedDict, total=False):
    """What a key is given: globs over models, limits per minute (0: the configured one), its end
    in microseconds since the Unix epoch (0: none), and its roles.
    """

    models: Sequence[str]
    tenant: str
    agent: str
    requests_per_minute: int
    tokens_per_minute: int
    expires: int
    roles: Sequence[str]


class Keys:
    """The keys of one home folder."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._valid = _Valid(-1, {}, {}, {})

    def create(self, name: str, **terms: Unpack[Terms]) -> tuple[str, Key]:
        """A new key: its token (shown this once) and its row. Raises CallerError for a name that
        is empty or in use, and for a role that does not exist.
        """
        unknown = [role for role in terms.get("roles", ()) if role not in ROLES]
        if unknown:
            raise CallerError(f"there is no role `{unknown[0][:40]}`; use {' or '.join(ROLES)}")
        if not name.strip() or len(name) > 200:
            raise CallerError("a key needs a name of 1 to 200 characters")
        if any(key.name == name and not key.revoked for key in self._state.all_keys()):
            raise CallerError(f"a key named `{name}` exists already; revoke it first")
        token = PREFIX + secrets.token_urlsafe(32)
        key = Key(
            "key_" + secrets.token_hex(6),
            name,
            sha256(token.encode()).hexdigest(),
            token[: len(PREFIX) + 4] + "…",
            terms.get("tenant", ""),
            terms.get("agent", ""),
            tuple(terms.get("roles", ())),
            tuple(terms.get("models", ())),
            terms.get("requests_per_minute", 0),
            terms.get("tokens_per_minute", 0),
            time.time_ns() // 1000,
            terms.get("expires", 0),
        )
        self._state.add_key(key)
        return token, key

    def list(self) -> Sequence[Key]:
        """All keys, also revoked ones."""
        return self._state.all_keys()

    def revoke(self, id: str) -> bool:
        """Revoke by id or name; False where none was valid."""
        return self._state.revoke_key(id, time.time_ns() // 1000)

    def any(self) -> bool:
        """Whether there is a valid key."""
        return bool(self._refreshed().by_id)

    def authenticate(self, token: str) -> Principal | None:
        """Who holds this token; None for unknown, revoked and expired ones."""
        valid = self._refreshed()
        entry = valid.by_token.get(token) or valid.hashed(token)
        if entry is None:
            return None
        expires = entry[0].expires
        return None if expires and time.time_ns() // 1000 >= expires else entry[1]

    def key(self, principal: str) -> Key | None:
        """The row of a principal that `authenticate` returned."""
        return self._refreshed().by_id.get(principal)

    def _refreshed(self) -> _Valid:
        epoch = self._state.epoch()
        valid = self._valid
        if valid.epoch != epoch:
            entries = [(key, _principal(key)) for key in self._state.all_keys() if not key.revoked]
            by_hash = {bytes.fromhex(entry[0].hash): entry for entry in entries}
            by_id = {key.id: key for key, _ in entries}
            # one assignment: no thread sees the keys of two epochs
            valid = self._valid = _Valid(epoch, by_hash, by_id, {})
        return valid


class _Valid(msgspec.Struct, frozen=True):
    """The keys that are not revoked, as of one epoch of the state."""

    epoch: int
    by_hash: dict[bytes, tuple[Key, Principal]]
    by_id: dict[str, Key]
    by_token: dict[str, tuple[Key, Principal]]

    def hashed(self, token: str) -> tuple[Key, Principal] | None:
        """The entry of a token. A valid one is hashed once and remembered: there are no more of
        those than keys.
        """
        if len(token) > TOKEN_MAX:
            return None
        entry = self.by_hash.get(sha256(token.encode("utf-8", "surrogatepass")).digest())
        if entry is not None:
            self.by_token[token] = entry
        return entry


def _principal(key: Key) -> Principal:
    return Principal(key.id, key.name, key.tenant, "key", key.roles, key.models, key.agent)
