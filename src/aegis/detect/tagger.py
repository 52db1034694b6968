"""The tagger: finds the words of the lexicons in a window and names their concepts.

Latin words are looked up in a trie of phrases, other scripts in a trie of letters (blanks are
skipped, since not every script writes them), marks (`<|im_start|>`, `https://`) by RE2. All are
linear in the text: phrases have a greatest length.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from .gate import Gate, finder, options
from .phrases import DISORDER, ENDS, Vocabulary, trie
from .spelling import Spelling
from .words import UNCUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .fold import View
    from .phrases import Word
    from .ruleset import Concept
    from .words import Cut, Words

MARKS_MAX = 256
"""Most marks read in one window."""

_CACHE_MAX = 16_384
"""Most literals whose concepts are remembered."""

_JOINT = 3
"""Most characters between two words of one phrase."""

_ASCII = bytes(range(128))

_STOPS = frozenset(b".!?;")
"""Signs that no phrase goes on behind."""

_STEM_MAX = 8
"""Most letters of an ending that a stem of an inflected script may be followed by."""


Span = tuple[int, int, frozenset[str]]
"""A phrase by the numbers of its first and its last word, and its concepts."""


class Tag(msgspec.Struct, gc=False):
    """A concept word in a view: its character span and its concepts."""

    start: int
    end: int
    concepts: frozenset[str]


class _Letter:
    """One letter further into some phrases of a script without fixed blanks."""

    __slots__ = ("concepts", "next", "star")

    def __init__(self) -> None:
        self.next: Mapping[str, _Letter] = ENDS
        self.star: _Letter | None = None
        self.concepts: frozenset[str] = frozenset()

    def child(self, letter: str) -> _Letter:
        if not isinstance(self.next, dict):
            self.next = {}
        return self.next.setdefault(letter, _Letter())

    def put(self, phrase: str, concept: str) -> None:
        """Add a phrase that goes on from here."""
        node = self
        for char in phrase:
            if char == "*":
                node.star = node.star or _Letter()
                node = node.star
            elif char != " ":
                node = node.child(char)
        node.concepts = node.concepts | {concept}

    def merged(self, known: dict[Any, _Letter]) -> _Letter:
        """The letter of those known that says the same; everything behind it is merged first."""
        if self.next is ENDS and self.star is None:
            return known.setdefault(self.concepts, self)
        if isinstance(self.next, dict):
            self.next.update([(char, one.merged(known)) for char, one in self.next.items()])
        if self.star is not None:
            self.star = self.star.merged(known)
        following = frozenset([(char, id(one)) for char, one in self.next.items()])
        return known.setdefault((self.concepts, following, id(self.star)), self)


class Letters:
    """The trie of letters: phrases of every script but Latin."""

    __slots__ = ("_alphabet", "_firsts", "_pairs", "_root")

    def __init__(self, concepts: Mapping[str, Concept]) -> None:
        self._root = _Letter()
        self._pairs: set[str] = set()
        begun: dict[_Letter, list[tuple[str, str]]] = {}
        for name, concept in concepts.items():
            for phrase in concept.wide:
                self._pairs.add(phrase.replace(" ", "")[:2])
                begun.setdefault(self._root.child(phrase[0]), []).append((phrase[1:], name))
        known: dict[Any, _Letter] = {}
        for branch, rests in begun.items():
            for rest, name in rests:
                branch.put(rest, name)
            branch.merged(known)
        # a second letter may stand behind a blank
        self._pairs |= {f"{pair[0]} " for pair in self._pairs}
        every = {char for concept in concepts.values() for one in concept.wide for char in one}
        self._alphabet = frozenset(char for char in every if not char.isascii())
        self._firsts = _beginnings(self._pairs)

    def written(self, text: str) -> bool:
        """Whether a text holds a letter of these scripts."""
        if text.isascii():
            return False
        return not self._alphabet.isdisjoint(text.encode().translate(None, _ASCII).decode())

    def tags(self, text: str) -> list[Tag]:
        """The phrases in a lower-case text, in order of their beginnings."""
        out: list[Tag] = []
        first = self._root.next
        pairs = self._pairs
        for found in self._firsts.finditer(text):
            start = found.start()
            if text[start : start + 2] in pairs or text[start] in pairs:
                self._walk(text, start, start + 1, first[text[start]], out)
        return out

    def _walk(self, text: str, start: int, at: int, node: _Letter, out: list[Tag]) -> None:
        size = len(text)
        while True:
            if node.concepts:
                out.append(Tag(start, at, node.concepts))
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


def _beginnings(pairs: set[str]) -> re.Pattern[str]:
    """A pattern of the first letters of such pairs where a second one follows; Latin letters have
    no other before them.
    """
    firsts = {pair[0] for pair in pairs}
    latin = _any(filter(str.isascii, firsts))
    wide = _any(char for char in firsts if not char.isascii())
    seconds = _any(pair[1] for pair in pairs if len(pair) > 1)
    lone = _any(pair for pair in pairs if len(pair) == 1)
    return re.compile(rf"(?:{wide}|(?<![^\W_]){latin})(?={seconds})|{lone}")


def _any(chars: Iterable[str]) -> str:
    """A pattern of one of some letters."""
    listed = re.escape("".join(sorted(set(chars))))
    return f"[{listed}]" if listed else "(?!)"


class Tagger:
    """Finds concept words. Thread-safe; built once."""

    __slots__ = (
        "_cache", "_composites", "_firsts", "_letters", "_marks", "_names", "_sorter",
        "_vocabulary", "spelling",
    )  # fmt: skip

    def __init__(
        self,
        concepts: Mapping[str, Concept],
        composites: Sequence[tuple[str, str, str, int]],
        gains: Mapping[bytes, int],
    ) -> None:
        self._letters = Letters(concepts)
        marked = [(name, "|".join(one.raw)) for name, one in concepts.items() if one.raw]
        self._names = [name for name, _ in marked]
        alternatives = [raw for _, raw in marked]
        every = "|".join(alternatives) or r"\x00\x01"
        words = set(gains)
        for concept in concepts.values():
            words.update([word.encode() for word in concept.phrases.split()])
        root = trie(
            (phrase, name)
            for name, concept in concepts.items()
            for phrase in concept.phrases.splitlines()
        )
        self._marks = finder(every, options(longest=True))
        self._sorter = Gate(rf"\A\x01?(?:{one})\x00" for one in alternatives)
        self.spelling = Spelling(words)
        self._vocabulary = Vocabulary(root, gains, self.spelling.slipped)
        self._cache: dict[bytes, frozenset[str]] = {}
        self._composites = [
            (frozenset({name}), first, second, gap) for name, first, second, gap in composites
        ]
        self._firsts = frozenset(first for _, first, _, _ in composites)

    def read(self, words: Words) -> list[Word]:
        """What each word of a text says."""
        return list(map(self._vocabulary.__getitem__, words.parts))

    def named(self, words: Words, said: Sequence[Word], phrases: Iterable[Tag]) -> list[Tag]:
        """The words that say something by themselves, and the phrases, in order."""
        out = list(phrases)
        sums, parts = words.sums, words.parts
        for concepts, places in singles(said).items():
            for index in places:
                end = sums[index] + index - 1
                out.append(Tag(end - len(parts[index]), end, concepts))
        out.sort(key=_place)
        return out

    def wide(self, text: str, cut: Cut = UNCUT) -> list[Tag]:
        """The phrases of other scripts than Latin."""
        if not self._letters.written(text):
            return []
        lowered = text.lower()
        tags = self._letters.tags(lowered if len(lowered) == len(text) else text)
        size = len(text)
        return [
            tag
            for tag in tags
            if not (cut[0] and tag.start == 0) and not (cut[1] and tag.end == size)
        ]

    def completed(self, tags: list[Tag], view: View, *, marked: bool = True) -> list[Tag]:
        """The tags of a view with its marks and with the concepts made of two others.

        `marked` tells whether there may be marks.
        """
        if marked:
            before = len(tags)
            tags += self._marked(view)
            if len(tags) > before:
                tags.sort(key=_place)
        if self._composites:
            self.compose(tags)
        return tags

    def _marked(self, view: View) -> list[Tag]:
        data = view.data
        total = len(data)
        wide = total != len(view.text)
        position = 0
        chars = 0
        out: list[Tag] = []
        end = 0
        while end < total and len(out) < MARKS_MAX:
            start, end = self._marks(data, end, total)[0]
            if start < 0:
                break
            if end == start:
                end += 1
                continue
            # a mark of its own kind keeps `^` from matching where the text does not begin
            concepts = self._concepts(b"\x01" + data[start:end] if start else data[start:end])
            if wide:
                chars += len(data[position:start].decode("utf-8", "ignore"))
                position = start
                size = len(data[start:end].decode("utf-8", "ignore"))
                out.append(Tag(chars, chars + size, concepts))
            else:
                out.append(Tag(start, end, concepts))
        return out

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

    def compose(self, tags: list[Tag]) -> None:
        """Concepts made of two others side by side (`without` + `restrictions`)."""
        alone = self._firsts.isdisjoint
        made = [
            (number, index, Tag(tag.start, end, concepts))
            for index, tag in enumerate(tags)
            if not alone(tag.concepts)
            for number, (concepts, first, second, gap) in enumerate(self._composites)
            if first in tag.concepts
            for end in _second(tags, index, second, gap)
        ]
        if made:
            made.sort(key=itemgetter(0, 1))
            tags += [tag for _, _, tag in made]
            tags.sort(key=_place)


def _second(tags: Sequence[Tag], index: int, concept: str, gap: int) -> Iterator[int]:
    """Where the word ends that makes a composite with the one at an index, if there is one."""
    end = tags[index].end
    for other in tags[index + 1 : index + 10]:
        if other.start >= end:
            if other.start - end > gap:
                return
            if concept in other.concepts:
                yield other.end
                return


def _place(tag: Tag) -> tuple[int, int]:
    return tag.start, tag.end


def singles(said: Sequence[Word]) -> dict[frozenset[str], list[int]]:
    """The numbers of the words that mean something by themselves, by their concepts."""
    out: dict[frozenset[str], list[int]] = {}
    for index in [index for index, word in enumerate(said) if word.concepts]:
        out.setdefault(said[index].concepts, []).append(index)
    out.pop(DISORDER, None)
    return out


def phrases(words: Words, spans: Iterable[Span]) -> list[Tag]:
    """The phrases of several words, without those in which a sentence ends."""
    raw, parts, sums = words.raw, words.parts, words.sums
    return [
        Tag(sums[first] + first - 1 - len(parts[first]), sums[last] + last - 1, concepts)
        for first, last, concepts in spans
        if not any(raw[sums[at] + at] in _STOPS for at in range(first, last) if parts[at])
    ]


def spans(parts: Sequence[bytes], said: Sequence[Word]) -> list[Span]:
    """Where phrases of several words stand, whatever the signs between them."""
    # so that nobody looks behind the end
    parts = [*parts, *[b""] * _JOINT]
    # half of the words begin nothing, and most of the others nothing with what follows
    begun = [n for n, w in enumerate(said) if w.nexts and (w.seconds or parts[n + 1] in w.nexts)]
    out: list[Span] = []
    for index in begun:
        word = said[index]
        if (
            word.seconds
            and parts[index + 1] not in word.nexts
            and parts[index + 2] not in word.seconds
        ):
            continue
        at = index
        # the next word: between two there are at most _JOINT separators
        while part := parts[at + 1] or parts[at + 2] or parts[at + 3]:
            # what was asked before is known, and most words cannot follow at all
            following = word.thens.get(part)
            if following is None and (word.seconds or part in word.nexts):
                following = word.then(part)
            if following is None:
                break
            word = following
            at += 1 if parts[at + 1] else 2 if parts[at + 2] else 3
            if word.concepts:
                out.append((index, at, word.concepts))
    return out
