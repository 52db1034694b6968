"""Texts of strangers as people are shown them, on terminals and in exceptions.

Names, comments and reasons come from agents, models and other people. Whatever could move the
cursor, recolour or reorder a terminal's text stands as its code point instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Unicode categories that are not shown raw: controls, bidi and zero-width, surrogates."""


def shown(text: object) -> str:
    """A text that changes nothing on a terminal but the characters it stands for."""
    raw = str(text)
    if raw.isascii() and raw.isprintable():
        return raw
    from unicodedata import category

    return "".join(f"<U+{ord(char):04X}>" if category(char) in _HIDDEN else char for char in raw)


def joined(reasons: Iterable[str]) -> str:
    """Reasons as one sentence, whether or not they end with a full stop themselves."""
    return "; ".join(reason.rstrip().removesuffix(".") for reason in reasons)
