"""What is stored of a ledger: the store, and the state that follows from its entries.

One thread at a time: the committer sees to it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from ..ledger.checkpoint import Checkpoint, Sealed
from ..ledger.entry import INT64_MAX, time_of
from ..ledger.unsettled import performs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ledger.checkpoint import Signer
    from ..ledger.entry import Stored
    from ..ledger.merkle import Tree
    from ..ledger.unsettled import Open
    from ..plugin.contracts import LedgerStore

Queued = tuple[int, str, bytes, Any, bytes, bytes]
"""Index, kind, session as headers write it, body (None: read it from the entry), leaf hash, and
the entry behind a zero byte, as it was hashed."""

Heads = dict[str, tuple[int, bytes]]
"""The last index and leaf hash of sessions, as headers write them."""


class Shelf:
    """A store with the tree over its entries, its sessions' heads, and what waits for outcomes."""

    def __init__(
        self, store: LedgerStore, signer: Signer, tree: Tree, opened: Open, heads: Heads
    ) -> None:
        """`heads` are those of the sessions with entries after the last checkpoint."""
        self.store = store
        self.signer = signer
        self.tree = tree
        self.opened = opened
        self.heads = {session.encode(): head for session, head in heads.items()}
        self.sync_seconds = 0.0
        """How long the last fsync took."""

    @property
    def size(self) -> int:
        """How many entries are stored."""
        return self.tree.size

    def head(self, session: bytes) -> bytes | None:
        """The last leaf hash of a session. Safe from any thread."""
        recent = self.heads.get(session)
        return recent[1] if recent else self.store.head(session.decode())

    def write(self, chunk: Sequence[Queued], sync: bool) -> int:
        """Store entries; returns the bytes they took in the queue."""
        rows: list[Stored] = []
        size = 0
        for seq, _, _, body, leaf, blob in chunk:
            at = body.at if body is not None else _fields(blob).get("at")
            if type(at) is not int or not 0 <= at <= INT64_MAX:
                at = time_of(at)
            rows.append((seq, at, leaf, blob[1:]))
            size += len(blob)
        began = time.monotonic() if sync else 0.0
        self.store.write(rows, sync)
        if sync:
            self.sync_seconds = time.monotonic() - began
        self._note(chunk)
        return size

    def _note(self, chunk: Sequence[Queued]) -> None:
        self.tree.extend([entry[4] for entry in chunk])
        heads, opened = self.heads, self.opened
        for seq, kind, word, body, leaf, blob in chunk:
            heads[word] = (seq, leaf)
            if kind == "outcome":
                opened.settled(body.action if body is not None else _text(blob, "action"))
            elif kind != "decision":
                continue
            elif body is not None:
                if performs(body.verdict, body.approval):
                    opened.decided(body.action, seq)
            elif performs(_text(blob, "verdict"), _text(blob, "approval")):
                opened.decided(_text(blob, "action"), seq)

    def seal(self, sync: bool) -> str:
        """Sign and store a checkpoint over everything, on the disk with `sync`; returns it."""
        size = self.tree.size
        text = Checkpoint(self.signer.identity.name, size, self.tree.root()).text
        note = self.signer.sign(text)
        now = time.time_ns() // 1000
        heads = {word.decode(): head for word, head in self.heads.items()}
        sealed = Sealed(size, note, b"".join(self.tree.peaks), self.opened.low(size), now)
        self.store.seal(sealed, heads, sync)
        # rebound, not cleared: `head` may be reading the old one
        self.heads = {}
        return note


def _fields(blob: bytes) -> dict[str, Any]:
    """The body of an entry, where its struct is not what was written."""
    found = msgspec.json.decode(blob[blob.index(b"\n") + 1 :])
    return found if isinstance(found, dict) else {}


def _text(blob: bytes, name: str) -> str:
    return str(_fields(blob).get(name, ""))
