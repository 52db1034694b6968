"""One text that arrives in pieces, read exactly as if it had come whole.

The engine reads a fixed grid of blocks (see `engine`); a block is read once its right margin is
there, or the text is complete. So the findings do not depend on how the text was cut, the work is
linear, and no more than HOLD code points wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine import HITS_MAX, TEXT_MAX, Engine
from .gate import ScanError
from .grid import BLOCK, MARGIN
from .reader import Reader

if TYPE_CHECKING:
    from .hit import Hit
    from .leak import Leak


class Stream:
    """Reads one text piece by piece. Not thread-safe: one per text."""

    __slots__ = ("_base", "_block", "_buffer", "_hits", "_reader", "_size")

    def __init__(
        self,
        engine: Engine,
        kind: str = "reply",
        *,
        categories: frozenset[str] | None = None,
        sensitivity: str = "medium",
        leak: Leak | None = None,
    ) -> None:
        self._reader = Reader(engine, kind, categories, sensitivity, leak)
        self._buffer = ""
        self._base = 0
        self._block = 0
        self._size = 0
        self._hits = 0

    @property
    def settled(self) -> int:
        """Offset before which no later piece can start a finding."""
        return self._block * BLOCK

    def feed(self, piece: str) -> list[Hit]:
        """Take a piece; the hits of the blocks that are complete with it.

        Raises ScanError beyond TEXT_MAX code points or HITS_MAX findings.
        """
        self._size += len(piece)
        if self._size > TEXT_MAX:
            raise ScanError(f"text of more than {TEXT_MAX} characters; split it")
        self._buffer += piece
        out: list[Hit] = []
        while self._size >= (self._block + 1) * BLOCK + MARGIN:
            # the true end is not known yet: the margin ends the window
            out += self._read(self._size)
        return self._counted(out)

    def close(self) -> list[Hit]:
        """The remaining hits, now that the text is complete."""
        out: list[Hit] = []
        while self._block * BLOCK < self._size:
            out += self._read(self._size)
        return self._counted(out)

    def _read(self, size: int) -> list[Hit]:
        hits = self._reader.read(self._buffer, self._block, self._base, size)
        self._block += 1
        keep = max(0, self._block * BLOCK - MARGIN)
        if keep - self._base >= 4 * BLOCK or size - keep < MARGIN:
            self._buffer = self._buffer[keep - self._base :]
            self._base = keep
        return hits

    def _counted(self, hits: list[Hit]) -> list[Hit]:
        self._hits += len(hits)
        if self._hits > HITS_MAX:
            raise ScanError(f"more than {HITS_MAX} findings in one text; split it")
        return hits
