"""Leaks of texts that must stay inside: canaries, and runs of words of a system prompt.

Exact and local, so it works on a window and on a stream like every other rule: a canary is found
as it stands (case and blanks aside), a prompt by any RUN consecutive words of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .hit import Hit

if TYPE_CHECKING:
    from collections.abc import Iterable

RUN = 8
"""Consecutive words that count as a recital: shorter runs are shared by chance."""

RUN_CHARS_MAX = 240
"""Longest run read, in code points; it has to fit the margin of a window (see `engine`)."""

CANARY_MIN, CANARY_MAX = 6, 200
"""Shortest and longest canary, in code points."""

PROMPT_MAX = 200_000
"""Longest system prompt compared, in code points."""

_WORD = re.compile(r"\w+")


class Leak:
    """What must not appear in replies. Immutable and thread-safe."""

    __slots__ = ("_canaries", "_runs", "_starts")

    def __init__(self, canaries: Iterable[str] = (), prompts: Iterable[str] = ()) -> None:
        """Raises ValueError for a canary of the wrong length or a prompt longer than PROMPT_MAX."""
        self._canaries: list[re.Pattern[str]] = []
        for canary in canaries:
            if not CANARY_MIN <= len(canary.strip()) <= CANARY_MAX:
                raise ValueError(
                    f"a canary has {CANARY_MIN} to {CANARY_MAX} characters; `{canary[:20]}` has "
                    f"{len(canary.strip())}"
                )
            words = r"\s+".join(map(re.escape, canary.split()))
            self._canaries.append(re.compile(words, re.IGNORECASE))
        runs: set[tuple[str, ...]] = set()
        for prompt in prompts:
            if len(prompt) > PROMPT_MAX:
                raise ValueError(f"a system prompt has at most {PROMPT_MAX} characters")
            words_of = _WORD.findall(prompt.lower())
            runs.update(tuple(words_of[i : i + RUN]) for i in range(len(words_of) - RUN + 1))
        self._runs = frozenset(runs)
        self._starts = frozenset(run[0] for run in runs)

    def hits(self, text: str) -> list[Hit]:
        """Recitals in a window of text."""
        out: list[Hit] = []
        for canary in self._canaries:
            out += [
                Hit(m.start(), m.end(), "canary", "prompt_leak", "CANARY", 1000, "critical", None)
                for m in canary.finditer(text)
            ]
        if self._runs:
            lowered = text.lower()
            if len(lowered) == len(text):
                out += self._recitals(lowered)
        return out

    def _recitals(self, text: str) -> list[Hit]:
        tokens = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]
        words = [token[0] for token in tokens]
        out: list[Hit] = []
        for i in range(len(words) - RUN + 1):
            if words[i] in self._starts and tuple(words[i : i + RUN]) in self._runs:
                start, end = tokens[i][1], tokens[i + RUN - 1][2]
                if end - start <= RUN_CHARS_MAX:
                    out.append(
                        Hit(start, end, "system_prompt_overlap", "prompt_leak",
                            "PROMPT_OVERLAP", 950, "high", None)
                    )  # fmt: skip
        return out
