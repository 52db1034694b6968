"""The vault of reversible masking: placeholders, and the values they stand for, encrypted.

Each session has a tag of its own that nobody can guess; a placeholder is `[EMAIL_1_k7x2q9m4]`:
type, number, tag. Values are kept in memory under AES-256-GCM with a key made at start and never
written anywhere, so they end with the process. Nothing here is ever recorded.
"""

from __future__ import annotations

import hmac
import os
import re
from base64 import b32encode
from collections import OrderedDict
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...model import Action

SESSIONS_MAX = 10_000
"""Most sessions kept; the one used longest ago gives way."""

VALUES_MAX = 1_000
"""Most values of one session; further ones are masked for good. With SESSIONS_MAX, and values of
a hundred bytes, a gigabyte at worst, and a few megabytes in practice."""

VALUE_MAX = 4_096
"""Longest value kept, in code points."""

TAG_BYTES = 5
"""Random bytes of a session's tag: a guess is right once in 2^40, and a wrong one is text."""

_JOINT = r"(?:\\?_|[ -]) ?"
"""What models write between the parts of a placeholder: Markdown escapes an underscore."""

PLACEHOLDER = re.compile(
    rf"\\?\[ ?((?:[A-Za-z][A-Za-z0-9]{{0,31}}{_JOINT}){{1,6}}[0-9]{{1,6}}{_JOINT}[A-Za-z2-7]{{8}})"
    r" ?\\?\]"
    r"|\[?(?<![A-Za-z0-9_])([A-Z][A-Z0-9_]{0,31}_[0-9]{1,6}_[a-z2-7]{8})(?![a-z0-9])\]?"
)
"""A placeholder as models repeat it: in brackets with other case, blanks, hyphens or escapes, or as
it was, with or without its brackets.
"""

PARTIAL = re.compile(
    r"(?:\\?\[[A-Za-z0-9_\\ -]*|\\"
    r"|\[?(?:(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{0,39}(?:_[a-z2-7]{0,8})?)?)\Z"
)
"""What may become one when more text arrives."""

PLACEHOLDER_MAX = 64
"""Longest placeholder, in code points; what is longer is text."""

_PARTS = re.compile(r"[\\_ -]+")


def placeholders(text: str, first: int = 0) -> Iterator[tuple[int, int, str]]:
    """What may be placeholders in a text: start, end, and the name as `Vault.seal` gave it. What
    stands before `first` only tells the edge of a word.
    """
    for match in PLACEHOLDER.finditer(text, first):
        start, end = match.span()
        if end - start > PLACEHOLDER_MAX:
            continue
        if match[1]:
            *type_, number, tag = _PARTS.split(match[1])
            yield start, end, f"{'_'.join(type_).upper()}_{number}_{tag.lower()}"
        else:
            bare = match[0][0] != "[" or match[0][-1] != "]"
            yield *match.span(2 if bare else 0), match[2]


Scope = tuple[str, str, str]


class _Session:
    """The values of one session. Guarded by the lock of the vault."""

    __slots__ = ("by_value", "expires", "numbers", "sealed", "tag")

    def __init__(self) -> None:
        self.tag = b32encode(os.urandom(TAG_BYTES)).decode().lower()
        self.expires = 0
        self.numbers: dict[str, int] = {}
        self.by_value: dict[bytes, str] = {}
        self.sealed: dict[str, tuple[bytes, bytes]] = {}


class Vault:
    """Values by session and placeholder. Thread-safe. Times are microseconds since the epoch."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._digest_key = os.urandom(32)
        self._sessions: OrderedDict[Scope, _Session] = OrderedDict()
        self._tags: dict[str, Scope] = {}

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def seal(self, action: Action, type: str, value: str, keep: int) -> str:
        """The placeholder of a value, the same one for the same value of a session.

        `keep` is how long (microseconds) the session is remembered after its last use. Empty
        where the value is too long or the session holds too many.
        """
        scope = scope_of(action)
        digest = self._digest(scope, value)
        with self._lock:
            session = self._opened(scope, action.time) or self._begin(scope)
            session.expires = action.time + keep
            known = session.by_value.get(digest)
            if known is not None:
                return known
            if len(value) > VALUE_MAX or len(session.by_value) >= VALUES_MAX:
                return ""
            number = session.numbers[type] = session.numbers.get(type, 0) + 1
            name = f"{type}_{number}_{session.tag}"
            nonce = os.urandom(12)
            session.sealed[name] = (
                nonce,
                self._cipher.encrypt(nonce, _bytes(value), name.encode()),
            )
            session.by_value[digest] = f"[{name}]"
            return f"[{name}]"

    def value(self, action: Action, name: str) -> str | None:
        """The value behind a placeholder (without brackets) of the session of an action."""
        with self._lock:
            session = self._opened(scope_of(action), action.time)
            sealed = session.sealed.get(name) if session is not None else None
        if sealed is None:
            return None
        nonce, data = sealed
        return self._cipher.decrypt(nonce, data, name.encode()).decode("utf-8", "surrogatepass")

    def holds(self, action: Action) -> bool:
        """Whether the session of an action has values."""
        with self._lock:
            return self._opened(scope_of(action), action.time) is not None

    def masked(self, action: Action, value: str) -> bool:
        """Whether a value was masked in the session of an action."""
        scope = scope_of(action)
        with self._lock:
            session = self._opened(scope, action.time)
            return session is not None and self._digest(scope, value) in session.by_value

    def foreign(self, action: Action, name: str) -> bool:
        """Whether a placeholder belongs to another session."""
        with self._lock:
            scope = self._tags.get(name.rpartition("_")[2])
            return scope is not None and scope != scope_of(action)

    def _opened(self, scope: Scope, at: int) -> _Session | None:
        session = self._sessions.get(scope)
        if session is None:
            return None
        if session.expires < at:
            self._forget(scope)
            return None
        self._sessions.move_to_end(scope)
        return session

    def _begin(self, scope: Scope) -> _Session:
        while len(self._sessions) >= SESSIONS_MAX:
            self._forget(next(iter(self._sessions)))
        session = self._sessions[scope] = _Session()
        self._tags[session.tag] = scope
        return session

    def _forget(self, scope: Scope) -> None:
        self._tags.pop(self._sessions.pop(scope).tag, None)

    def _digest(self, scope: Scope, value: str) -> bytes:
        return hmac.digest(self._digest_key, _bytes("\x00".join((*scope, value))), "sha256")


def _bytes(value: str) -> bytes:
    """A value as bytes, a lone surrogate like any character: texts of programs may hold some."""
    return value.encode("utf-8", "surrogatepass")


def scope_of(action: Action) -> Scope:
    """Whose values an action may see: those of its session, else those of its own request."""
    actor = action.actor
    return (actor.tenant, actor.principal, actor.session or f"\x00{action.parent or action.id}")


@cache
def shared_vault() -> Vault:
    """The vault of this process: it outlives a reload of the configuration."""
    return Vault()
