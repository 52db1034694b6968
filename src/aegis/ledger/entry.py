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

from ..model import LedgerError
from .record import KINDS, Body, DecisionBody

FORMAT: Final = "aegis/1"
"""First word of every entry; a change of the format changes it."""

ZERO: Final = "0" * 64
"""`prev` of a session's first entry."""

TOKEN_MAX: Final = 1024
"""Longest percent-encoded session name, in bytes; it stands in every entry of the session."""

COLUMN_MAX: Final = 1024
"""Longest value of an index column, in code points; the entry itself keeps the whole value."""

_INT64_MAX = 2**63 - 1


class Row(NamedTuple):
    """One entry as stores keep it: the exact bytes, their hash, and columns to filter by.

    The columns are an index and no evidence: readers show what `entry` says, and `verify`
    refuses a store whose columns say something else.
    """

    seq: int
    kind: str
    session: str
    at: int
    action: str
    type: str
    target: str
    agent: str
    tenant: str
    verdict: str
    rule: str
    risk: str
    status: str
    hash: bytes
    entry: bytes


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
    "kind", "action", "type", "target", "agent", "tenant", "verdict", "rule", "risk", "status",
)  # fmt: skip
"""Fields of Query that must equal the column of the same name where they are set."""


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


def columns(kind: str, fields: Any) -> tuple[int, str, str, str, str, str, str, str, str, str]:
    """The index columns `at` to `status` of a body, given as its struct or its decoded JSON."""
    if isinstance(fields, dict):
        actor = fields.get("actor")
        actor = actor if isinstance(actor, dict) else {"agent": actor}

        def get(name: str) -> str:
            value = fields.get(name, "")
            return value[:COLUMN_MAX] if isinstance(value, str) else ""

        agent, tenant = actor.get("agent", ""), actor.get("tenant", "")
        at = fields.get("at", 0)
    else:
        actor = getattr(fields, "actor", None)

        def get(name: str) -> str:
            value = getattr(fields, name, "")
            return value[:COLUMN_MAX] if isinstance(value, str) else ""

        named = actor is not None and not isinstance(actor, str)
        agent = actor.agent if named else actor  # type: ignore[union-attr]
        tenant = actor.tenant if named else ""  # type: ignore[union-attr]
        at = fields.at
    status = "state" if kind == "approval" else "outcome" if kind == "admin" else "status"
    return (
        min(at, _INT64_MAX) if isinstance(at, int) else 0,
        get("action"),
        get("event" if kind == "admin" else "type"),
        get("target"),
        agent[:COLUMN_MAX] if isinstance(agent, str) else "",
        tenant[:COLUMN_MAX] if isinstance(tenant, str) else "",
        get("verdict"),
        get("rule"),
        get("risk"),
        get(status),
    )


def row_of(seq: int, kind: str, token: str, body: Any, hash: bytes, entry: bytes) -> Row:
    """The row of an entry. `body` is the struct that was encoded without loss, or None."""
    if type(body) is DecisionBody:
        actor = body.actor
        row = Row._make((
            seq, kind, token, body.at, body.action, body.type, body.target, actor.agent,
            actor.tenant, body.verdict, body.rule, body.risk, "", hash, entry,
        ))  # fmt: skip
        # the common case: no column can be longer than the entry that holds it
        if len(entry) <= COLUMN_MAX and 0 <= row.at <= _INT64_MAX:
            return row
    if body is None:
        body = msgspec.json.decode(entry[entry.index(b"\n") + 1 :])
    return Row(seq, kind, token, *columns(kind, body), hash, entry)


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
            return msgspec.json.decode(self.body, type=KINDS[self.kind])
        except msgspec.MsgspecError as error:
            raise LedgerError(f"record {self.seq} holds a shortened member: {error}") from None


def record_of(hash: bytes, entry: bytes) -> Record:
    """The record in an entry. Raises LedgerError where the header is malformed."""
    words = entry[: entry.find(b"\n")].split(b" ")
    if len(words) != 5 or words[0] != FORMAT.encode() or not words[1].isdigit():
        raise LedgerError(f"malformed entry header `{entry[:80]!r}`; run `aegis evidence verify`")
    _, seq, kind, session, prev = (word.decode("utf-8", "replace") for word in words)
    return Record(int(seq), kind, session_of(session), prev, hash.hex(), entry)
