"""Types that values from outside are read as, prepared while their module is loaded.

msgspec 0.22 prepares a type at its first use. Two threads that do so at once crash the process:
one sees what the other has half built.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

Kind = TypeVar("Kind")


class Prepared(Generic[Kind]):
    """Reads values as one type, from any thread. Made at the top of a module, never in a call."""

    __slots__ = ("_decoder", "_kind")

    def __init__(self, kind: type[Kind]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, data: bytes | str) -> Kind:
        """The value in JSON. Raises msgspec.DecodeError, and UnicodeDecodeError for no UTF-8."""
        return self._decoder.decode(data)

    def convert(self, value: Any) -> Kind:
        """A JSON-like value. Raises msgspec.ValidationError."""
        return msgspec.convert(value, self._kind)
