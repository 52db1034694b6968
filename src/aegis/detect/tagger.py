"""The tagger: finds the words of the lexicons in a window and names their concepts.

Latin words are looked up in a trie of phrases, other scripts in a trie of letters (blanks are
skipped, since not every script writes them), marks (`<|im_start|>`, `https://`) by RE2. All are
linear in the text: phrases have a greatest length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from .gate import Gate, options
from .terms import compact_literals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .ruleset import Concept

TAGS_MAX = 768
"""Most concept words read in one window: a window of nothing else holds about as many."""

_CACHE_MAX = 8192
"""Most words and literals whose concepts are remembered."""

_WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?")

_JOINT = 3
"""Most characters between two words of one phrase."""

_STEM_MAX = 8
"""Most letters of an ending that a stem of an inflected script may be followed by."""


class Tag:
    """A concept word in a view: its character span and its concepts."""

    __slots__ = ("concepts", "end", "start")

    def __init__(self, start: int, end: int, concepts: frozenset[str]) -> None:
        self.start = start
        self.end = end
        self.concepts = concepts

    def __repr__(self) -> str:
        return f"Tag({self.start}, {self.end}, {sorted(self.concepts)})"


class _Node:
    """One word further into some phrases."""

    __slots__ = ("any", "concepts", "exact", "lengths", "stems")

    def __init__(self) -> None:
        self.exact: dict[str, _Node] = {}
        self.stems: dict[str, _Node] = {}
        self.lengths: tuple[int, ...] = ()
        self.any: _Node | None = None
        self.concepts: frozenset[str] = frozenset()

    def child(self, word: str) -> _Node:
        if word == "*":
            self.any = self.any or _Node()
            return self.any
        if word.endswith("*"):
            stem = word.rstrip("*")
            if stem not in self.stems:
                self.stems[stem] = _Node()
                self.lengths = tuple(sorted({*self.lengths, len(stem)}))
            return self.stems[stem]
        return self.exact.setdefault(word, _Node())

    def after(self, word: str) -> list[_Node]:
        """The nodes a word leads to."""
        out: list[_Node] = []
        node = self.exact.get(word)
        if node is not None:
            out.append(node)
        for length in self.lengths:
            if length > len(word):
                break
            node = self.stems.get(word[:length])
            if node is not None:
                out.append(node)
        if self.any is not None:
            out.append(self.any)
        return out


class _Letter:
    """One letter further into some phrases of a script without fixed blanks."""

    __slots__ = ("concepts", "next", "star")

    def __init__(self) -> None:
        self.next: dict[str, _Letter] = {}
        self.star: _Letter | None = None
        self.concepts: frozenset[str] = frozenset()


class Letters:
    """The trie of letters: phrases of every script but Latin."""

    __slots__ = ("_pairs", "_root")

    def __init__(self, concepts: Mapping[str, Concept]) -> None:
        self._root = _Letter()
        self._pairs: set[str] = set()
        for name, concept in concepts.items():
            for phrase in concept.wide:
                node = self._root
                self._pairs.add(phrase.replace(" ", "")[:2])
                for char in phrase:
                    if char == "*":
                        node.star = node.star or _Letter()
                        node = node.star
                    elif char != " ":
                        node = node.next.setdefault(char, _Letter())
                node.concepts = node.concepts | {name}

    def tags(self, text: str) -> list[Tag]:
        """The phrases in a lower-case text, longest per place and concept."""
        out: list[Tag] = []
        first = self._root.next
        pairs = self._pairs
        starts = [
            start
            for start, pair in enumerate(map(str.__add__, text, text[1:] + " "))
            if pair in pairs or pair[0] in pairs
        ]
        for start in starts:
            self._walk(text, start, start + 1, first[text[start]], out)
            if len(out) >= TAGS_MAX:
                break
        return out

    def _walk(self, text: str, start: int, at: int, node: _Letter, out: list[Tag]) -> None:
        size = len(text)
        best: Tag | None = None
        while True:
            if node.concepts:
                best = Tag(start, at, node.concepts | (best.concepts if best else frozenset()))
            if node.star is not None:
                end = at
                while end < size and end - at < _STEM_MAX and text[end].isalpha():
                    end += 1
                while end < size and text[end] == " ":
                    end += 1
                if end < size and (after := node.star.next.get(text[end])) is not None:
                    self._walk(text, start, end + 1, after, out)
            while at < size and text[at] in " \n\t" and node.next:
                at += 1
            if at >= size:
                break
            following = node.next.get(text[at])
            if following is None:
                break
            node = following
            at += 1
        if best is not None:
            out.append(best)


class Tagger:
    """Finds concept words. Thread-safe; built once."""

    __slots__ = ("_cache", "_composites", "_first", "_letters", "_marks", "_names", "_root",
                 "_sorter")  # fmt: skip

    def __init__(
        self,
        concepts: Mapping[str, Concept],
        composites: Sequence[tuple[str, str, str, int]] = (),
        *,
        letters: Letters | None = None,
        compact: bool = False,
    ) -> None:
        self._root = _Node()
        self._letters = letters
        self._names: list[str] = []
        alternatives: list[str] = []
        for name, concept in concepts.items():
            literals = compact_literals(concept.phrases) if compact else list(concept.raw)
            if literals:
                self._names.append(name)
                alternatives.append("|".join(literals))
            if compact:
                continue
            for phrase in concept.phrases.splitlines():
                node = self._root
                for word in phrase.split():
                    node = node.child(word)
                node.concepts = node.concepts | {name}
        every = sorted({one for some in alternatives for one in some.split("|")} if compact else
                       alternatives)  # fmt: skip
        self._marks = re2.compile("|".join(every) or r"\x00\x01", options(longest=True))
        self._sorter = Gate(rf"\A(?:{one})\x00" for one in alternatives)
        self._first: dict[str, list[_Node]] = {}
        self._cache: dict[bytes, frozenset[str]] = {}
        self._composites = tuple(composites)

    def tags(self, text: str, data: bytes) -> list[Tag]:
        """The concept words of a text in order; at most about TAGS_MAX.

        `data` is the text in UTF-8.
        """
        lowered = text.lower()
        if len(lowered) != len(text):
            lowered = text
        out = self._phrases(lowered)
        wide = len(data) != len(text)
        if wide and self._letters is not None:
            out += self._letters.tags(lowered)
        position = 0
        chars = 0
        for found in self._marks.finditer(data):
            start, end = found.span()
            if end == start:
                continue
            concepts = self._concepts(data[start:end])
            if wide:
                chars += len(data[position:start].decode("utf-8", "ignore"))
                position = start
                size = len(data[start:end].decode("utf-8", "ignore"))
                out.append(Tag(chars, chars + size, concepts))
            else:
                out.append(Tag(start, end, concepts))
            if len(out) >= TAGS_MAX:
                break
        out.sort(key=_place)
        if self._composites:
            self._compose(out)
        return out

    def _phrases(self, text: str) -> list[Tag]:
        out: list[Tag] = []
        tokens = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]
        last = len(tokens) - 1
        first = self._first
        for index, (word, start, end) in enumerate(tokens):
            nodes = first.get(word)
            if nodes is None:
                nodes = self._start(word)
            if not nodes:
                continue
            at = index
            while nodes:
                concepts = nodes[0].concepts
                for node in nodes[1:]:
                    concepts |= node.concepts
                if concepts:
                    out.append(Tag(start, end, concepts))
                if at == last:
                    break
                at += 1
                following, begin, stop = tokens[at]
                if begin - end > _JOINT or (begin > end and text[end] in ".!?;"):
                    break
                nodes = [child for node in nodes for child in node.after(following)]
                end = stop
            if len(out) >= TAGS_MAX:
                break
        return out

    def _start(self, word: str) -> list[_Node]:
        known = self._root.after(word)
        if len(self._first) >= _CACHE_MAX:
            self._first.clear()
        self._first[word] = known
        return known

    def _concepts(self, literal: bytes) -> frozenset[str]:
        literal = literal.lower()
        known = self._cache.get(literal)
        if known is None:
            numbers = self._sorter.match(literal + b"\x00")
            known = frozenset(self._names[number] for number in numbers)
            if len(self._cache) >= _CACHE_MAX:
                self._cache.clear()
            self._cache[literal] = known
        return known

    def _compose(self, tags: list[Tag]) -> None:
        """Concepts made of two others side by side (`without` + `restrictions`)."""
        made: list[Tag] = []
        for name, first, second, gap in self._composites:
            for index, tag in enumerate(tags):
                if first not in tag.concepts:
                    continue
                for other in tags[index + 1 : index + 10]:
                    if other.start < tag.end:
                        continue
                    if other.start - tag.end > gap:
                        break
                    if second in other.concepts:
                        made.append(Tag(tag.start, other.end, frozenset({name})))
                        break
        if made:
            tags += made
            tags.sort(key=_place)


def _place(tag: Tag) -> tuple[int, int]:
    return tag.start, tag.end
