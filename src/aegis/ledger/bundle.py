"""Exports evidence: one file that verifies without the ledger it came from.

A bundle is text: a signed statement of what is in it, the signed checkpoint of the tree, then
three lines per record (hash and proof, header, body). The format is specified in
`spec/ledger.md`; `verify` reads it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..model import LedgerError
from .checkpoint import Checkpoint, Identity, Signer
from .entry import ZERO, Query, Row, record_of, session_of, token
from .merkle import Tree, consistency_path, inclusion_paths, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Protocol

    from .checkpoint import Sealed

    class Reader(Protocol):
        """The reading half of a store."""

        @property
        def size(self) -> int: ...

        def rows(self, query: Query) -> Iterator[Row]: ...

        def hashes(self, start: int, stop: int) -> Iterator[bytes]: ...

        def sealed(self, newest: bool = False) -> Iterator[Sealed]: ...


STATEMENT: Final = "aegis-bundle/1"
"""First line of a bundle, and of the text its signer signs."""

PROOFS_MAX: Final = 100_000
"""Most records of a partial bundle: each proof is some 20 hashes, all in memory at once. Export
the whole ledger beyond it; that needs no proofs."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What to export: everything, one session, a span of time, or a session's part of a span.

    `since` (inclusive) and `until` (exclusive) are microseconds since the Unix epoch. A span is a
    contiguous range of records: from the first to the last whose time lies in it.
    """

    session: str | None = None
    since: int | None = None
    until: int | None = None


WHOLE: Final = Scope()


class Exported(msgspec.Struct, frozen=True):
    """What an export wrote. `stop` is exclusive; `size` is that of the signed tree."""

    scope: str
    start: int
    stop: int
    count: int
    size: int
    fingerprint: str


class _Part(msgspec.Struct, frozen=True):
    """Which records go into a bundle, and what the statement says about a session."""

    scope: str
    start: int
    stop: int
    count: int
    session: str = "-"
    after: str = ZERO
    head: str = ""


def export(
    reader: Reader,
    signer: Signer,
    out: BinaryIO,
    scope: Scope = WHOLE,
    *,
    created: int,
    tool: str = "aegis",
) -> Exported:
    """Write a bundle. `created` is the time in microseconds since the Unix epoch.

    Nothing is signed before the ledger was found to continue its last checkpoint. Raises
    LedgerError where it does not, or where there is nothing to export.
    """
    size = reader.size
    part = _select(reader, size, scope)
    whole = part.scope == "full"
    wanted: list[int] = []
    if not whole:
        if part.count > PROOFS_MAX:
            raise LedgerError(
                f"{part.count} records need too many proofs (at most {PROOFS_MAX}); "
                "export the whole ledger, or a shorter span"
            )
        wanted = [row.seq for row in _rows(reader, part)]
    _check_sealed(reader, signer.identity, size)
    root, paths = inclusion_paths(reader.hashes(0, size), size, wanted)
    out.write(signer.sign(_statement(part, signer.identity, size, root, created, tool)).encode())
    out.write(b"\n")
    out.write(signer.sign(Checkpoint(signer.identity.name, size, root).text).encode())
    out.write(b"\n")
    count = 0
    for row in _rows(reader, part):
        if leaf_hash(row.entry) != row.hash:
            raise LedgerError(f"record {row.seq} was changed; run `aegis evidence verify`")
        proof = b"" if whole else b" " + b64encode(b"".join(paths[row.seq]))
        out.write(b"= %b%b\n%b\n" % (row.hash.hex().encode(), proof, row.entry))
        count += 1
    if count != part.count:
        raise LedgerError(f"{count} records where {part.count} were expected; export again")
    return Exported(part.scope, part.start, part.stop, count, size, signer.identity.fingerprint)


def _select(reader: Reader, size: int, scope: Scope) -> _Part:
    start, stop = 0, size
    session, since, until = scope.session, scope.since, scope.until
    if since is not None or until is not None:
        span = Query(since=since, until=until, stop=size, limit=1)
        first = next(reader.rows(span), None)
        last = next(reader.rows(msgspec.structs.replace(span, newest_first=True)), None)
        start, stop = (first.seq, last.seq + 1) if first and last else (0, 0)
    if session is None:
        if start == stop:
            raise LedgerError("there are no records to export")
        name = "full" if (start, stop) == (0, size) else "range"
        return _Part(name, start, stop, stop - start)
    first, last, count = None, None, 0
    for row in reader.rows(Query(session=session, start=start, stop=stop)):
        first = first or row
        last = row
        count += 1
    if first is None or last is None:
        raise LedgerError(f"session `{session}` has no records to export")
    after = record_of(first.hash, first.entry).prev
    return _Part("session", start, stop, count, token(session), after, last.hash.hex())


def _rows(reader: Reader, part: _Part) -> Iterator[Row]:
    query = Query(start=part.start, stop=part.stop)
    if part.scope == "session":
        query = msgspec.structs.replace(query, session=session_of(part.session))
    return reader.rows(query)


def _check_sealed(reader: Reader, identity: Identity, size: int) -> None:
    """The stored leaves must lead to the last root that was signed."""
    sealed = next(reader.sealed(newest=True), None)
    if sealed is None:
        return
    said = Checkpoint.parse(identity.open(sealed.note))
    tree = Tree()
    for leaf in reader.hashes(0, min(said.size, size)):
        tree.append(leaf)
    if (tree.size, tree.root()) != (said.size, said.root):
        raise LedgerError("the ledger is not the one that was signed; run `aegis evidence verify`")


def _statement(
    part: _Part, identity: Identity, size: int, root: bytes, created: int, tool: str
) -> str:
    said: dict[str, Any] = {
        "count": part.count,
        "created": created,
        "from": part.start,
        "key": b64encode(identity.public).decode(),
        "origin": identity.name,
        "root": b64encode(root).decode(),
        "scope": part.scope,
        "session": {"after": part.after, "head": part.head, "name": part.session},
        "size": size,
        "to": part.stop,
        "tool": tool,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"{STATEMENT}\n{text}\n"


def inclusion(reader: Reader, seq: int, size: int) -> list[bytes]:
    """The audit path of a record in the tree of the first `size` (RFC 6962, section 2.1.1).

    Raises LedgerError where there is no such record.
    """
    try:
        return inclusion_paths(reader.hashes(0, size), size, [seq])[1][seq]
    except ValueError as error:
        raise LedgerError(f"no proof for record {seq}: {error}") from None


def consistency(reader: Reader, old: int, new: int) -> list[bytes]:
    """The proof that the tree of size `old` is a prefix of that of size `new` (RFC 6962, 2.1.2).

    Raises LedgerError where there are no such trees.
    """

    def root_of(start: int, stop: int) -> bytes:
        tree = Tree()
        for leaf in reader.hashes(start, stop):
            tree.append(leaf)
        return tree.root()

    try:
        if new > reader.size:
            raise ValueError(f"the ledger has {reader.size} records")
        return consistency_path(root_of, old, new)
    except ValueError as error:
        raise LedgerError(f"no proof from size {old} to size {new}: {error}") from None
