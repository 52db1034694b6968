"""Words run together: the phrases of the injection rules in text that has lost its blanks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .tagger import MARKS_MAX, Tag
from .terms import COMPACT_MIN, compacted

if TYPE_CHECKING:
    from collections.abc import Container

    from .fold import View
    from .ruleset import RuleSet

_WORDS_MAX = 3
"""Longest phrase looked for, in words: the parts of longer ones are phrases too, mostly."""


RUNS_MAX = 4096
"""Most runs of letters that are remembered: words recur, and a run stands in several windows."""


class _Beginnings(dict[bytes, tuple[int, ...]]):
    """The runs seen so far, and where in each a phrase may begin; `heads` begin phrases."""

    def __init__(self, heads: Container[bytes]) -> None:
        self._heads = heads

    def __missing__(self, run: bytes) -> tuple[int, ...]:
        if len(self) >= RUNS_MAX:
            self.clear()
        heads = self._heads
        starts = range(len(run) - COMPACT_MIN + 1)
        found = self[run] = tuple(
            [start for start in starts if run[start : start + COMPACT_MIN] in heads]
        )
        return found


class Compact:
    """Finds phrases without word boundaries. Thread-safe; built where it is first needed."""

    __slots__ = ("_begins", "_concepts", "_runs", "_sizes")

    def __init__(self, rules: RuleSet) -> None:
        wanted = {
            name
            for rule in rules.rules
            if rule.category == "injection"
            for match in rule.matches
            for step in match.steps
            for name in step
        }
        found: dict[bytes, frozenset[str]] = {}
        shared: dict[frozenset[str], frozenset[str]] = {}
        for name in sorted(wanted):
            for phrase in rules.concepts[name].phrases.splitlines():
                joined = compacted(phrase)
                if joined is not None and phrase.count(" ") < _WORDS_MAX:
                    names = found.get(joined.encode(), frozenset()) | {name}
                    found[joined.encode()] = shared.setdefault(names, names)
        self._concepts = found
        sizes: dict[bytes, set[int]] = {}
        for bare in found:
            sizes.setdefault(bare[:COMPACT_MIN], set()).add(len(bare))
        # by their first letters, longest first
        self._sizes = {start: sorted(some, reverse=True) for start, some in sizes.items()}
        self._begins = _Beginnings(self._sizes)
        signs = re.escape(bytes(sorted(set(b"".join(found)))))
        self._runs = re.compile(b"[%b]{%d,}" % (signs or rb"\x00", COMPACT_MIN))

    def tags(self, view: View) -> list[Tag]:
        """The concept words of a view in order: of those that overlap the first, and the longest
        that begins there.
        """
        data = view.text.encode("ascii", "replace").lower()
        starts = [
            run.start() + start
            for run in self._runs.finditer(data)
            for start in self._begins[run.group()]
        ]
        out: list[Tag] = []
        done = 0
        for start in starts:
            if start < done:
                continue
            for size in self._sizes[data[start : start + COMPACT_MIN]]:
                bare = data[start : start + size]
                concepts = self._concepts.get(bare)
                if concepts is not None:
                    done = start + len(bare)
                    out.append(Tag(start, done, concepts))
                    break
            if len(out) >= MARKS_MAX:
                break
        return out
