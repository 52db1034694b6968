"""Answers too large or too slow to be taken whole: what is text passes the guards in pieces, what
is none is passed on as it comes.
"""

from __future__ import annotations

import codecs
import zlib
from typing import TYPE_CHECKING

from .body import Unreadable, as_text, codings_of, inflater, media_type, textual
from .view import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENING_MAX = 16 * 1024
"""How much of an answer is looked at to tell text from other bytes."""

PIECE_MAX = 64 * 1024
"""Largest piece a compressed answer unfolds into at once, in bytes."""


CHARACTER_MAX = 4
"""Most bytes of one character, in every charset that is read."""


class Pieces:
    """Turns the bytes of one answer into pieces. `text` says whether they are text."""

    def __init__(self, media: str, codings: str, start: bytes) -> None:
        """`start` is how the body begins, as it was sent. Raises Unreadable."""
        kind, charset = media_type(media)
        coding = codings_of(codings)
        if len(coding) > 1:
            raise Unreadable("it has more than one content coding")
        self._inflate = inflater(coding[0], start) if coding else None
        opening = start[:OPENING_MAX]
        if coding:
            opening = _unfolded(inflater(coding[0], start), start, OPENING_MAX)
        found = _charset(opening, charset, certain=textual(kind))
        self.text = found is not None
        self._charset = found or ""
        self._decode = codecs.getincrementaldecoder(found)() if found else None

    def feed(self, data: bytes, last: bool = False) -> Iterator[Piece]:
        """The pieces some bytes are. Raises Unreadable."""
        if self._decode is None:
            if data:
                yield Piece(raw=data)
            return
        try:
            for plain in self._plain(data, last):
                text = self._decode.decode(plain)
                if text:
                    yield Piece(text, charset=self._charset)
            rest = self._decode.decode(b"", last)
        except UnicodeDecodeError:
            raise Unreadable("what follows is no text of its charset") from None
        if rest:
            yield Piece(rest, charset=self._charset)

    def _plain(self, data: bytes, last: bool) -> Iterator[bytes]:
        stream = self._inflate
        if stream is None:
            yield data
            return
        while data:
            yield _unfolded(stream, data, PIECE_MAX)
            data = stream.unconsumed_tail
        if stream.unused_data:
            raise Unreadable("something follows its compressed form")
        if last and not stream.eof:
            raise Unreadable("its compressed form is cut off")


def _unfolded(stream: zlib._Decompress, data: bytes, most: int) -> bytes:
    try:
        return stream.decompress(data, most)
    except zlib.error as error:
        raise Unreadable(f"it is not properly compressed: {error}") from None


def _charset(opening: bytes, charset: str, *, certain: bool) -> str | None:
    """The charset of a text that begins so; None where it is no text. Raises Unreadable."""
    for cut in range(CHARACTER_MAX):  # the last character may be cut off
        found = as_text(opening[: len(opening) - cut], charset, certain=False)
        if found is not None:
            return found[1]
    return "latin-1" if certain else None
