"""A client of the Git gate: its requests over HTTP/1.1, with bodies as large as packs are."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from ..http.wire import BadRequest, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..http.wire import Field, Head

PACK_SECONDS = 3_600.0
"""How long a whole body may take: a gigabyte over a slow line."""

TEXT = (("content-type", "text/plain; charset=utf-8"),)
"""Of errors: git shows bodies of this type behind `remote:`."""

NO_CACHE = (("cache-control", "no-cache, max-age=0, must-revalidate"),)
"""Of every answer (gitprotocol-http)."""


class GitWire(Wire):
    """One connection."""

    chunking_share = 2
    """Packs come in chunks of any size, and may be large."""

    def too_large(self, limit: int) -> BadRequest:
        """The refusal of a body above the limit."""
        return BadRequest(
            413,
            f"the request is larger than {limit} bytes; push less, or raise `gates.git.push_bytes`",
        )

    async def say(self, status: int, message: str, *fields: Field) -> None:
        """Answer with one sentence. Raises Gone."""
        await self.whole(status, (*TEXT, *NO_CACHE, *fields), f"{message}\n".encode())

    async def answer(self, kind: str, body: bytes) -> None:
        """Answer as git expects. Raises Gone."""
        await self.whole(200, _fields(kind), body)

    async def relay(self, fields: Iterable[Field]) -> None:
        """Begin an answer of an upstream. Raises Gone."""
        kept = [pair for pair in fields if pair[0].lower() in _RELAYED]
        await self.begin(200, (*kept, *NO_CACHE), framed=False)


_RELAYED = frozenset({"content-type", "content-encoding"})
"""Headers of an upstream that a client sees: what its answer is, and nothing about the upstream."""


def _fields(kind: str) -> Iterable[Field]:
    return (("content-type", kind), *NO_CACHE)


async def spooled(wire: GitWire, head: Head, limit: int, path: Path) -> int:
    """Writes a body to a file, decompressed; its size. Raises BadRequest, Gone, OSError."""
    coding = head.get("content-encoding").lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise BadRequest(415, f"the content coding `{coding[:40]}` is not read here; use gzip")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16) if coding.endswith("gzip") else None
    size = 0
    try:
        with path.open("wb") as file:
            async with asyncio.timeout(PACK_SECONDS):
                async for piece in wire.pieces(head, limit):
                    data = piece if inflate is None else _inflated(inflate, piece, limit - size)
                    size += len(data)
                    if size > limit:
                        raise wire.too_large(limit)
                    file.write(data)
    except TimeoutError:
        raise BadRequest(408, f"the body took more than {PACK_SECONDS:g} s") from None
    if inflate is not None and not inflate.eof and size:
        raise BadRequest(400, "the compressed body is cut off")
    return size


def _inflated(inflate: zlib._Decompress, piece: bytes, left: int) -> bytes:
    """A piece decompressed, as far as one byte beyond what is left of the limit."""
    try:
        data = inflate.decompress(piece, left + 1)
    except zlib.error as error:
        raise BadRequest(400, f"the body is not properly compressed: {error}") from None
    if inflate.unused_data:
        raise BadRequest(400, "something follows the compressed body")
    return data
