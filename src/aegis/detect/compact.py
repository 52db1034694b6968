"""Words run together: the phrases of the injection rules in text that has lost its blanks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

from .gate import options
from .tagger import MARKS_MAX, Tag
from .terms import compacted

if TYPE_CHECKING:
    from .fold import View
    from .ruleset import RuleSet

_WORDS_MAX = 3
"""Longest phrase looked for, in words: the parts of longer ones are phrases too, mostly."""


class Compact:
    """Finds phrases without word boundaries. Thread-safe; built where it is first needed."""

    __slots__ = ("_concepts", "_pattern")

    def __init__(self, rules: RuleSet) -> None:
        wanted = {
            name
            for rule in rules.rules
            if rule.category == "injection"
            for match in rule.matches
            for step in match.steps
            for name in step
        }
        found: dict[bytes, set[str]] = {}
        for name in sorted(wanted):
            for phrase in rules.concepts[name].phrases.splitlines():
                bare = compacted(phrase)
                if bare is not None and phrase.count(" ") < _WORDS_MAX:
                    found.setdefault(bare.encode(), set()).add(name)
        self._concepts = {bare: frozenset(names) for bare, names in found.items()}
        # no sign in these literals means anything to RE2
        every = b"|".join(sorted(self._concepts)) or rb"\x00\x01"
        self._pattern = re2.compile(every.decode(), options(longest=True))

    def tags(self, view: View) -> list[Tag]:
        """The concept words of a view in order."""
        data = view.data
        wide = len(data) != len(view.text)
        out: list[Tag] = []
        for found in self._pattern.finditer(data):
            concepts = self._concepts[found.group().lower()]
            start, end = view.chars(*found.span()) if wide else found.span()
            out.append(Tag(start, end, concepts))
            if len(out) >= MARKS_MAX:
                break
        return out
