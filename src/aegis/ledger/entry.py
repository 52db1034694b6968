"""The bytes of one ledger entry: a header line, a newline, and the body.

    aegis/1 <seq> <kind> <session> <prev>
    {"action":"…",…}

`seq` is the index in the one RFC 6962 tree over all entries, `session` the percent-encoded
session name (`-` for none), `prev` the leaf hash of the session's previous entry (64 zeros for
its first). All of it is hashed, so a verifier needs no JSON parser.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from ..model import LedgerError, Prepared
from .canonical import quoted
from .record import KINDS, Body

FORMAT: Final = "aegis/1"
"""First word of every entry; a change of the format changes it."""

ZERO: Final = "0" * 64
"""`prev` of a session's first entry."""

TOKEN_MAX: Final = 1024
"""Longest percent-encoded session name, in bytes; it stands in every entry of the session."""

INT64_MAX: Final = 2**63 - 1
"""Largest time a row can hold; SQLite's integers end there."""


class Row(NamedTuple):
    """One entry as stores keep it: its index, the time its body states (0 where it states none
    that is one; a guide for filters and no evidence), its leaf hash, and the exact bytes.
    """

    seq: int
    at: int
    hash: bytes
    entry: bytes


Stored = tuple[int, int, bytes, bytes]
"""A Row as a plain tuple: what the writer passes to a store, many thousands a second."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries to read; every filter that is set must hold.

    `since` (inclusive) and `until` (exclusive) are microseconds since the Unix epoch, `start`
    and `stop` bound the index the same way. `session` is the name as the caller knows it.
    """

    kind: str = ""
    session: str | None = None
    since: int | None = None
    until: int | None = None
    action: str = ""
    type: str = ""
    target: str = ""
    agent: str = ""
    tenant: str = ""
    verdict: str = ""
    rule: str = ""
    risk: str = ""
    status: str = ""
    start: int = 0
    stop: int | None = None
    limit: int | None = None
    newest_first: bool = False


EXACT: Final = (
    "action", "type", "target", "agent", "tenant", "verdict", "rule", "risk", "status",
)  # fmt: skip
"""Fields of Query that must equal what the body says where they are set."""


def token(session: str) -> str:
    """The session as headers write it (RFC 3986 percent-encoding; `-` for the empty name).

    Raises LedgerError where it is longer than TOKEN_MAX.
    """
    if session == "":
        return "-"
    encoded = "%2D" if session == "-" else quote(session, safe="", errors="backslashreplace")
    if len(encoded) > TOKEN_MAX:
        raise LedgerError(f"session name of {len(encoded)} bytes; use at most {TOKEN_MAX}")
    return encoded


def session_of(word: str) -> str:
    """The session name that a header's fourth word stands for."""
    return "" if word == "-" else unquote(word)


def facts(kind: str, body: Any) -> dict[str, Any]:
    """What the filters EXACT compare with, from a body's decoded JSON."""
    if not isinstance(body, dict):
        return {}
    actor = body.get("actor")
    if not isinstance(actor, dict):
        actor = {"agent": actor}
    found = {name: body.get(name, "") for name in EXACT}
    found["agent"], found["tenant"] = actor.get("agent", ""), actor.get("tenant", "")
    if kind == "admin":
        found["type"], found["status"] = body.get("event", ""), body.get("outcome", "")
    elif kind == "approval":
        found["status"] = body.get("state", "")
    return found


def time_of(at: Any) -> int:
    """The time of a row, given what its body states as `at`."""
    return min(at, INT64_MAX) if type(at) is int and at > 0 else 0


class Filter:
    """The filters of a query, for entries one by one.

    `needles` are byte strings every matching entry holds: a store may look for them first, which
    is much cheaper than reading an entry's JSON. `start` and `stop` are the store's work.
    """

    def __init__(self, query: Query) -> None:
        self._kind = query.kind.encode()
        self._session = b"" if query.session is None else token(query.session).encode()
        self._exact = [(name, getattr(query, name)) for name in EXACT if getattr(query, name)]
        self.since = query.since
        self.until = query.until
        words = [b" %b " % word for word in (self._kind, self._session) if word]
        self.needles = words + [quoted(value) for _, value in self._exact]

    def __call__(self, row: Row) -> bool:
        """Whether the row matches."""
        if self.since is not None and row.at < self.since:
            return False
        if self.until is not None and row.at >= self.until:
            return False
        entry = row.entry
        if not all(needle in entry for needle in self.needles):
            return False
        words = entry[: entry.index(b"\n")].split(b" ")
        if self._kind and words[2] != self._kind:
            return False
        if self._session and words[3] != self._session:
            return False
        if not self._exact:
            return True
        found = facts(words[2].decode(), record_of(row.hash, entry).fields)
        return all(found.get(name) == value for name, value in self._exact)


_DECODERS = {kind: Prepared(body) for kind, body in KINDS.items()}


class Record(msgspec.Struct, frozen=True):
    """One entry, taken apart. `hash` is its leaf hash and `entry` the exact bytes it covers."""

    seq: int
    kind: str
    session: str
    prev: str
    hash: str
    entry: bytes

    @property
    def body(self) -> bytes:
        """The body's JSON."""
        return self.entry[self.entry.index(b"\n") + 1 :]

    @property
    def fields(self) -> dict[str, Any]:
        """The body as plain values; members with default values are absent."""
        decoded = msgspec.json.decode(self.body)
        return decoded if isinstance(decoded, dict) else {}

    def decode(self) -> Body:
        """The body as its struct. Raises LedgerError where a long member was replaced."""
        try:
            return _DECODERS[self.kind].decode(self.body)
        except msgspec.MsgspecError as error:
            raise LedgerError(f"record {self.seq} holds a shortened member: {error}") from None


def record_of(hash: bytes, entry: bytes) -> Record:
    """The record in an entry. Raises LedgerError where the header is malformed."""
    words = entry[: entry.find(b"\n")].split(b" ")
    if len(words) != 5 or words[0] != FORMAT.encode() or not words[1].isdigit():
        raise LedgerError(f"malformed entry header `{entry[:80]!r}`; run `aegis evidence verify`")
    _, seq, kind, session, prev = (word.decode("utf-8", "replace") for word in words)
    return Record(int(seq), kind, session_of(session), prev, hash.hex(), entry)
