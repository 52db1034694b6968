"""Exports evidence: one file that verifies without the ledger it came from.

A bundle is text: a signed statement of what is in it, then for every lane of the ledger the signed
checkpoint of its tree and three lines per record (hash and proof, header, body). The statement
names all lanes, so that none can be taken out. The format is specified in `spec/ledger.md`;
`verify` reads it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from ..model import LedgerError
from .checkpoint import Checkpoint, Signer
from .entry import ZERO, Query, Row, record_of, session_of, token
from .merkle import EMPTY_ROOT, Tree, consistency_path, inclusion_paths, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from .checkpoint import Identity, Sealed


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


class Lane(NamedTuple):
    """One of the trees a ledger consists of: one for every process that wrote at the same time.

    `reader` is None where it is known to have been there, and is gone.
    """

    reader: Reader | None
    signer: Signer


class Exported(msgspec.Struct, frozen=True):
    """What an export wrote; `size` is that of all signed trees together."""

    scope: str
    count: int
    size: int
    fingerprint: str
    lanes: tuple[ExportedLane, ...]


class ExportedLane(msgspec.Struct, frozen=True):
    """What an export wrote of a lane: `count` of its records from `start` up to `stop`
    (exclusive), proven against the tree of its first `size`.
    """

    origin: str
    scope: str
    start: int
    stop: int
    count: int
    size: int


class _Part(msgspec.Struct, frozen=True):
    """Which records of a lane go into a bundle, and what the statement says about a session."""

    scope: str
    start: int
    stop: int
    count: int
    size: int = 0
    session: str = "-"
    after: str = ZERO
    head: str = ZERO


def export(
    reader: Reader,
    signer: Signer,
    out: BinaryIO,
    scope: Scope = WHOLE,
    *,
    created: int,
    tool: str = "aegis",
) -> Exported:
    """Write a bundle of a ledger that has one lane; see `export_lanes`."""
    return export_lanes([Lane(reader, signer)], out, scope, created=created, tool=tool)


def export_lanes(
    lanes: Sequence[Lane],
    out: BinaryIO,
    scope: Scope = WHOLE,
    *,
    created: int,
    tool: str = "aegis",
) -> Exported:
    """Write a bundle. `created` is the time in microseconds since the Unix epoch.

    The bundle holds what the stores hold as this begins: at least everything any process has
    acknowledged as `written` by then. Nothing is signed before every lane was found to continue
    its last checkpoint. Raises LedgerError where one does not, or there is nothing to export.
    """
    parts = [
        _Part("missing", 0, 0, 0)
        if lane.reader is None
        else _select(lane.reader, lane.reader.size, scope)
        for lane in lanes
    ]
    count = sum(part.count for part in parts)
    if count == 0:
        what = "there are" if scope.session is None else f"session `{scope.session}` has"
        raise LedgerError(f"{what} no records to export")
    proofs = sum(part.count for part in parts if part.scope != "full")
    if proofs > PROOFS_MAX:
        raise LedgerError(
            f"{proofs} records need too many proofs (at most {PROOFS_MAX}); "
            "export the whole ledger, or a shorter span"
        )
    trees = [
        (EMPTY_ROOT, {}) if lane.reader is None else _tree(lane.reader, lane.signer.identity, part)
        for lane, part in zip(lanes, parts, strict=True)
    ]
    signer = lanes[0].signer
    said = {
        "created": created,
        "key": b64encode(signer.identity.public).decode(),
        "lanes": [
            _said(lane.signer.identity.name, part, root)
            for lane, part, (root, _) in zip(lanes, parts, trees, strict=True)
        ],
        "origin": signer.identity.name,
        "tool": tool,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    out.write(signer.sign(f"{STATEMENT}\n{text}\n").encode() + b"\n")
    for lane, part, (root, paths) in zip(lanes, parts, trees, strict=True):
        if lane.reader is not None:
            name = lane.signer.identity.name
            note = lane.signer.sign(Checkpoint(name, part.size, root).text)
            out.write(note.encode() + b"\n")
            _write(out, lane.reader, part, paths)
    return Exported(
        scope=_scope(parts, scope),
        count=count,
        size=sum(part.size for part in parts),
        fingerprint=signer.identity.fingerprint,
        lanes=tuple(
            ExportedLane(
                lane.signer.identity.name, part.scope, part.start, part.stop, part.count, part.size
            )
            for lane, part in zip(lanes, parts, strict=True)
        ),
    )


def _scope(parts: list[_Part], scope: Scope) -> str:
    if scope.session is not None:
        return "session"
    return "full" if all(part.scope in ("full", "missing") for part in parts) else "range"


def _write(out: BinaryIO, reader: Reader, part: _Part, paths: dict[int, list[bytes]]) -> None:
    """Write the records of a lane."""
    count = 0
    for row in _rows(reader, part):
        if leaf_hash(row.entry) != row.hash:
            raise LedgerError(f"record {row.seq} was changed; run `aegis evidence verify`")
        proof = b"" if part.scope == "full" else b" " + b64encode(b"".join(paths[row.seq]))
        out.write(b"= %b%b\n%b\n" % (row.hash.hex().encode(), proof, row.entry))
        count += 1
    if count != part.count:
        raise LedgerError(f"{count} records where {part.count} were expected; export again")


def _tree(reader: Reader, identity: Identity, part: _Part) -> tuple[bytes, dict[int, list[bytes]]]:
    """The root of a lane's tree, and the proofs of its records in a partial bundle."""
    wanted = [] if part.scope == "full" else [row.seq for row in _rows(reader, part)]
    _check_sealed(reader, identity, part.size)
    return inclusion_paths(reader.hashes(0, part.size), part.size, wanted)


def _select(reader: Reader, size: int, scope: Scope) -> _Part:
    start, stop = 0, size
    session, since, until = scope.session, scope.since, scope.until
    if since is not None or until is not None:
        span = Query(since=since, until=until, stop=size, limit=1)
        first = next(reader.rows(span), None)
        last = next(reader.rows(msgspec.structs.replace(span, newest_first=True)), None)
        start, stop = (first.seq, last.seq + 1) if first and last else (0, 0)
    if session is None:
        name = "full" if (start, stop) == (0, size) else "range"
        return _Part(name, start, stop, stop - start, size)
    first, last, count = None, None, 0
    for row in reader.rows(Query(session=session, start=start, stop=stop)):
        first = first or row
        last = row
        count += 1
    word = token(session)
    if first is None or last is None:
        return _Part("session", start, stop, 0, size, word)
    after = record_of(first.hash, first.entry).prev
    return _Part("session", start, stop, count, size, word, after, last.hash.hex())


def _rows(reader: Reader, part: _Part) -> Iterator[Row]:
    if part.count == 0:
        return iter(())
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


def _said(origin: str, part: _Part, root: bytes) -> dict[str, Any]:
    """What the statement says about a lane."""
    return {
        "count": part.count,
        "from": part.start,
        "origin": origin,
        "root": b64encode(root).decode(),
        "scope": part.scope,
        "session": {"after": part.after, "head": part.head, "name": part.session},
        "size": part.size,
        "to": part.stop,
    }


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
