"""The journal: the only writer of a ledger, and the way to read it while it is written.

`append` gives an entry its place, its link and its hash at once; storing it is the committer's
work. How long a caller waits is a choice per entry: `buffered` not at all, `written` until the
operating system has it, `synced` until the disk has it.
"""

from __future__ import annotations

import asyncio
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ..ledger import unsettled
from ..ledger.canonical import encode
from ..ledger.checkpoint import Checkpoint
from ..ledger.entry import FORMAT, ZERO, Query, Record, record_of, token
from ..ledger.merkle import EMPTY_ROOT, Tree, leaf_hash
from ..ledger.record import DURABILITY, KINDS, Body, OutcomeBody
from ..ledger.unsettled import Open, performs
from ..model import LedgerError, Receipt
from .committer import EAGER, Committer
from .shelf import Shelf
from .waiters import SEALED, SYNCED, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..ledger.checkpoint import Sealed, Signer
    from ..plugin.contracts import LedgerStore
    from .shelf import Heads

HEADS_MAX: Final = 32_768
"""Sessions whose last hash is kept at hand (twice at most). More than fit into the committer's
queue, so that a session that was forgotten is certainly in the store. A ledger of no more
sessions is loaded with all of them, so that a new one is known to be new without asking."""

WAIT_SECONDS: Final = 30.0
"""How long `wait` waits by default."""

_LEVELS = {"written": WRITTEN, "synced": SYNCED}
_KINDS = {kind: kind.encode() for kind in KINDS}
_HEADER = b"\x00" + FORMAT.encode() + b" %d %b %b %b\n%b"
_NEW = ZERO.encode()


class Journal:
    """Appends to one store. Safe from any thread; one per ledger.

    A store that fails stops it: from then on every append raises LedgerError until `reopen`
    succeeds, which goes on from what the store really holds.
    """

    def __init__(self, store: LedgerStore, signer: Signer) -> None:
        """Open the store and go on where it ends.

        Raises LedgerError where another writer has it, it belongs to another key, or its end is
        not what its last checkpoint and hashes say.
        """
        self.store = store
        self.signer = signer
        self._closed = False
        self._reopening = threading.Lock()
        self._open()

    def _open(self) -> None:
        self.store.open(str(self.signer.identity))
        try:
            sealed = next(self.store.sealed(newest=True), None)
            tree, self._stale = self._reload(sealed)
            self._heads: dict[str, tuple[bytes, bytes]] = {}
            self._older: dict[str, tuple[bytes, bytes]] = {}
            self._known = self._load_heads()
        except BaseException:
            self.store.close()
            raise
        self._base = tree.size
        shelf = Shelf(self.store, self.signer, tree, self._stale, self._recent)
        self._committer = Committer(shelf)
        self._committer.start(sealed.size if sealed else 0, sealed.note if sealed else "")

    def _reload(self, sealed: Sealed | None) -> tuple[Tree, Open]:
        """The tree as it stands, and the decisions without outcome."""
        tree, low = Tree(), 0
        if sealed is not None:
            said = Checkpoint.parse(self.signer.identity.open(sealed.note))
            peaks = [sealed.peaks[at : at + 32] for at in range(0, len(sealed.peaks), 32)]
            try:
                tree = Tree(sealed.size, peaks)
            except ValueError as error:
                raise self._damaged(str(error)) from None
            if (said.size, said.root) != (tree.size, tree.root()):
                raise self._damaged("the last checkpoint is not the one that was signed")
            low = min(sealed.low, sealed.size)
        opened = Open()
        size = self.store.size
        if size < tree.size:
            raise self._damaged(f"{tree.size} entries were signed and {size} are there")
        covered = tree.size
        self._recent: Heads = {}
        for row in self.store.rows(Query(start=low, stop=size)):
            if row.seq >= tree.size:
                if row.seq != tree.size or leaf_hash(row.entry) != row.hash:
                    raise self._damaged(f"entry {tree.size} is missing or was changed")
                tree.append(row.hash)
            record = record_of(row.hash, row.entry)
            if row.seq >= covered:
                self._recent[token(record.session)] = (row.seq, row.hash)
            if record.kind == "outcome":
                opened.settled(_action(record))
            elif record.kind == "decision" and _performs(record):
                opened.decided(_action(record), row.seq)
        if tree.size != size:
            raise self._damaged(f"entry {tree.size} is missing")
        return tree, opened

    def _damaged(self, what: str) -> LedgerError:
        return LedgerError(
            f"the ledger is damaged: {what}; run `aegis evidence verify`, keep a copy of the "
            "files, and start a new ledger"
        )

    def _load_heads(self) -> bool:
        heads = self.store.heads(HEADS_MAX)
        if heads is None:
            return False
        self._loaded = {word.encode(): digest.hex().encode() for word, digest in heads.items()}
        for word, (_, digest) in self._recent.items():
            self._loaded[word.encode()] = digest.hex().encode()
        return True

    # --- appending -----------------------------------------------------------------------

    def append(self, kind: str, session: str, body: Body, durability: str = "buffered") -> Receipt:
        """Give a record its place. `durability` says how far it is to get now (see `wait`).

        Returns at once, unless the queue is full: then it blocks until there is room. Raises
        LedgerError where the record cannot be written; then it was not.
        """
        data, plain = encode(body)
        committer = self._committer
        with committer.lock:
            if committer.fault is not None:
                raise committer.refuse()
            if committer.crowded():
                committer.make_room()
            word, prev = self._heads.get(session) or self._head(session)
            seq = committer.appended
            try:
                blob = _HEADER % (seq, _KINDS[kind], word, prev, data)
            except KeyError:
                raise LedgerError(f"unknown kind of record `{kind}`") from None
            leaf = sha256(blob).digest()
            receipt = Receipt(seq, leaf.hex())
            self._heads[session] = (word, receipt.hash.encode())
            queue = committer.queue
            queue.append((seq, kind, word, body if plain else None, leaf, blob))
            committer.appended = seq + 1
            committer.bytes += len(blob)
            if durability == "synced":
                committer.hurry(seq + 1, sync=True)
            elif committer.idle or len(queue) == EAGER:
                committer.idle = False
                committer.ring()
        return receipt

    def _head(self, session: str) -> tuple[bytes, bytes]:
        """A session's token and last hash, where they are not at hand."""
        heads = self._heads
        if len(heads) >= HEADS_MAX:
            # two generations: what was not used during the last one is forgotten
            self._older, self._heads = heads, {}
            heads = self._heads
            self._known = False
        found = self._older.get(session)
        if found is None:
            word = token(session)
            if self._known:
                prev = self._loaded.get(word.encode(), _NEW)
            else:
                digest = self._committer.shelf.head(word.encode())
                prev = digest.hex().encode() if digest else _NEW
            found = (word.encode(), prev)
        return found

    def wait(self, seq: int, durability: str, timeout: float = WAIT_SECONDS) -> None:
        """Block until entry `seq` is as durable as that; `timeout` in seconds.

        Raises LedgerError where it did not get there: nothing may be done on its strength.
        """
        if durability != "buffered":
            self._committer.wait(seq + 1, _level(durability), timeout)

    async def wait_async(self, seq: int, durability: str) -> None:
        """`wait` for event loops; its deadline is the caller's (cancelling it is harmless)."""
        if durability != "buffered":
            future = self.waiting(seq, durability, asyncio.get_running_loop())
            if future is not None:
                await future

    def waiting(
        self, seq: int, durability: str, loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[None] | None:
        """What there is to wait for until entry `seq` is `written` or `synced`; None: nothing."""
        return self._committer.future(seq + 1, _level(durability), loop)

    def flush(self, durability: str = "synced", timeout: float = WAIT_SECONDS) -> None:
        """Wait for everything appended so far."""
        self._committer.wait(self._committer.appended, _level(durability), timeout)

    # --- reading -------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many entries were appended."""
        return self._committer.appended

    @property
    def stored(self) -> int:
        """How many entries the store holds."""
        return self._committer.written

    @property
    def fault(self) -> str | None:
        """Why the journal stopped; None while it works."""
        return self._committer.fault

    @property
    def healthy(self) -> bool:
        """Whether appends are accepted."""
        return self._committer.fault is None

    def checkpoint(self, timeout: float = WAIT_SECONDS) -> str:
        """The signed checkpoint over everything appended so far.

        Raises LedgerError where the ledger is empty or it could not be stored.
        """
        committer = self._committer
        if committer.appended == 0:
            raise LedgerError("the ledger is empty; there is nothing to sign")
        committer.wait(committer.appended, SEALED, timeout)
        return committer.note

    def root(self) -> bytes:
        """The root of the tree over everything appended so far."""
        if self._committer.appended == 0:
            return EMPTY_ROOT
        return Checkpoint.parse(self.signer.identity.open(self.checkpoint())).root

    def records(self, query: Query | None = None) -> Iterator[Record]:
        """The matching records, those just appended included."""
        if self._committer.fault is None:
            self.flush("written")
        for row in self.store.rows(query or Query()):
            yield record_of(row.hash, row.entry)

    def tail(self, count: int) -> list[Record]:
        """The last records, oldest first."""
        newest = list(self.records(Query(newest_first=True, limit=count)))
        newest.reverse()
        return newest

    # --- recovery and end ------------------------------------------------------------------

    def open_decisions(self) -> list[Record]:
        """Decisions of earlier runs that let their action be performed and have no outcome.

        Whether those actions happened is not known. At most OPEN_MAX at a time.
        """
        if self._stale.floor is None:
            seqs = sorted(seq for seq in self._stale.seqs.copy().values() if seq < self._base)
            rows = (next(self.store.rows(Query(start=seq, stop=seq + 1))) for seq in seqs)
            return [record_of(row.hash, row.entry) for row in rows]
        # more than fit in memory: read on from the first that was forgotten
        self.flush("written")
        start: int | None = self._stale.floor
        while start is not None:
            waiting: dict[str, Record] = {}
            begin, start = start, None
            for row in self.store.rows(Query(start=begin)):
                record = record_of(row.hash, row.entry)
                if record.kind == "outcome":
                    waiting.pop(_action(record), None)
                elif record.kind == "decision" and row.seq < self._base and _performs(record):
                    if len(waiting) < unsettled.OPEN_MAX:
                        waiting[_action(record)] = record
                    elif start is None:
                        start = row.seq
            if waiting:
                return list(waiting.values())
        return []

    def recover(self, at: int) -> list[Receipt]:
        """Record the outcome `unknown` for every decision of `open_decisions`, durably.

        `at` is the time in microseconds since the Unix epoch. Nothing is performed again.
        """
        receipts = []
        for record in self.open_decisions():
            body = OutcomeBody(
                action=str(record.fields.get("action", "")),
                at=at,
                code="error",
                decision=record.seq,
                error="the process ended before the outcome was recorded",
                status="unknown",
            )
            receipts.append(self.append("outcome", record.session, body))
        if receipts:
            self.wait(receipts[-1].seq, "synced")
        return receipts

    def reopen(self) -> None:
        """Go on after a fault, from what the store holds. Raises LedgerError where it cannot."""
        with self._reopening:
            if self._committer.fault is None and not self._closed:
                return
            if not self._committer.stopped():
                raise LedgerError("the store does not answer; the ledger cannot be reopened yet")
            self.store.close()
            self._open()
            self._closed = False

    def close(self) -> None:
        """Store and seal everything, give up the store. Further calls do nothing.

        Raises LedgerError where entries could not be stored.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._committer.close()
        finally:
            self._committer.poison("it was closed")
            self.store.close()


def _level(durability: str) -> int:
    try:
        return _LEVELS[durability]
    except KeyError:
        known = ", ".join(DURABILITY)
        raise LedgerError(f"unknown durability `{durability}`; use one of {known}") from None


def _action(record: Record) -> str:
    return str(record.fields.get("action", ""))


def _performs(record: Record) -> bool:
    fields = record.fields
    return performs(str(fields.get("verdict", "")), str(fields.get("approval", "")))
