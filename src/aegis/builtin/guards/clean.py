"""Texts in which a guard found nothing. A conversation sends its earlier turns again with every
request, and an application its system prompt: what was read once need not be read again.
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...model import Text

LENGTH_MAX = 4_096
"""Longest text remembered, in code points; longer ones seldom come twice."""

BYTES_MAX = 4 << 20
"""Memory of one generation in bytes, texts and entries; two generations are kept."""

_ENTRY_BYTES = 192
"""A key of two and its place in a set that may have just doubled (CPython 3.11, measured)."""


class CleanTexts:
    """What is remembered, the latest for certain and the rest while there is room.

    Clean as a prompt is not clean as an argument, so the kind of a text belongs to it. Safe for
    any number of threads: one that comes second reads a text once more.
    """

    __slots__ = ("_bytes", "_older", "_recent")

    def __init__(self) -> None:
        self._recent: set[tuple[str, str]] = set()
        self._older: set[tuple[str, str]] = set()
        self._bytes = 0

    def holds(self, text: Text) -> bool:
        """Whether a text was found clean before."""
        key = (text.kind, text.text)
        return key in self._recent or key in self._older

    def keep(self, text: Text) -> None:
        """Remember a text as clean."""
        if len(text.text) > LENGTH_MAX:
            return
        size = getsizeof(text.text) + _ENTRY_BYTES
        if self._bytes + size > BYTES_MAX:
            self._older, self._recent, self._bytes = self._recent, set(), 0
        self._recent.add((text.kind, text.text))
        self._bytes += size
