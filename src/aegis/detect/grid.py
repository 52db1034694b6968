"""The grid in which texts are read: blocks, their windows, and what is known of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .spanrules import Tokens
from .words import UNCUT

if TYPE_CHECKING:
    from .heard import Heard
    from .plan import Plan
    from .words import Cut

BLOCK = 256
"""Code points per block of the reading grid."""

MARGIN = 256
"""Code points read on either side of a block; no evidence reaches further."""

HOLD = BLOCK + MARGIN
"""Most code points a streamed text is held back."""


class Frame:
    """One window and what is known about it before it is read.

    `cut` says at which edges the text goes on, `start` where the block begins in the window;
    `plan` is None where it has to be found. `silent` says that no words that count begin there.
    `certain` says that enough has been found in the text to read it for values only. `heard` are
    its words, where they have been read, `tokens` what looks like values in the same text.
    `valued` says whether a value may begin in the block, `written` that no machine made its text.
    """

    __slots__ = (
        "certain", "cut", "heard", "plan", "silent", "start", "tokens", "valued", "written",
    )  # fmt: skip

    def __init__(
        self,
        cut: Cut = UNCUT,
        start: int = 0,
        tokens: Tokens | None = None,
        *,
        certain: bool = False,
    ) -> None:
        self.cut = cut
        self.start = start
        self.tokens = Tokens() if tokens is None else tokens
        self.certain = certain
        self.heard: Heard | None = None
        self.plan: Plan | None = None
        self.silent = False
        self.valued = True
        self.written = False
