"""Words run together: the phrases of the injection rules in text that has lost its blanks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .tagger import MARKS_MAX, Tag
from .terms import COMPACT_MIN, compacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .fold import View
    from .ruleset import RuleSet

_WORDS_MAX = 3
"""Longest phrase looked for, in words: the parts of longer ones are phrases too, mostly."""


RUNS_MAX = 4096
"""Most runs of letters that are remembered: words recur, and a run stands in several windows."""

_LONG_MIN = 12
"""Letters of a phrase by which it is looked up where it has as many: six begin too many."""

_BLANK = ord(" ")

_Found = tuple[tuple[int, int, frozenset[str]], ...]
"""Where phrases of a run begin and end, and their concepts."""


class _Runs(dict[bytes, _Found]):
    """The runs seen so far, and the phrases in each: of those that overlap the first, and the
    longest that begins there. `phrases` are the known ones.
    """

    def __init__(self, phrases: Mapping[bytes, frozenset[str]]) -> None:
        self._phrases = phrases
        short: dict[bytes, set[int]] = {}
        long: dict[bytes, set[int]] = {}
        for bare in phrases:
            sizes = short.setdefault(bare[:COMPACT_MIN], set())
            if len(bare) >= _LONG_MIN:
                sizes = long.setdefault(bare[:_LONG_MIN], set())
            sizes.add(len(bare))
        # by their first letters, longest first
        self._short = {start: sorted(some, reverse=True) for start, some in short.items()}
        self._long = {start: sorted(some, reverse=True) for start, some in long.items()}

    def __missing__(self, run: bytes) -> _Found:
        if len(self) >= RUNS_MAX:
            self.clear()
        self[run] = found = tuple(self._found(run))
        return found

    def _found(self, run: bytes) -> Iterator[tuple[int, int, frozenset[str]]]:
        short, long, phrases = self._short, self._long, self._phrases
        starts = range(len(run) - COMPACT_MIN + 1)
        done = 0
        for start in [start for start in starts if run[start : start + COMPACT_MIN] in short]:
            if start < done:
                continue
            sizes = long.get(run[start : start + _LONG_MIN], ())
            for size in (*sizes, *short[run[start : start + COMPACT_MIN]]):
                bare = run[start : start + size]
                concepts = phrases.get(bare)
                if concepts is not None:
                    done = start + len(bare)
                    yield start, done, concepts
                    break


class Compact:
    """Finds phrases without word boundaries. Thread-safe; built where it is first needed."""

    __slots__ = ("_alone", "_known", "_runs")

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
        self._known = _Runs(found)
        # leaves lower-case runs between blanks
        signs = frozenset(b"".join(found))
        lowered = bytes(range(256)).lower()
        self._alone = bytes(code if code in signs else _BLANK for code in lowered)
        self._runs = re.compile(rb"[^ ]{%d,}" % COMPACT_MIN)

    def tags(self, view: View) -> list[Tag]:
        """The concept words of a view in order: of those that overlap the first, and the longest
        that begins there.
        """
        data = view.text.encode("ascii", "replace").translate(self._alone)
        runs = [run for run in data.split() if len(run) >= COMPACT_MIN]
        if not any(map(self._known.__getitem__, runs)):
            return []
        out = [
            Tag(run.start() + start, run.start() + end, concepts)
            for run in self._runs.finditer(data)
            for start, end, concepts in self._known[run.group()]
        ]
        return out[:MARKS_MAX]
