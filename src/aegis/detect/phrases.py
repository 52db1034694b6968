"""The trie of phrases of the lexicons, word by word, and what a word says by itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

CACHE_MAX = 16_384
"""Most words of texts that are remembered with what they say."""

ENDS: Mapping[Any, Any] = MappingProxyType({})
"""What nodes without further words share: most phrases end, and empty dicts add up to megabytes."""


class Node:
    """One word further into some phrases."""

    __slots__ = ("any", "concepts", "exact", "last", "lengths", "stems")

    def __init__(self) -> None:
        self.exact: Mapping[bytes, Node] = ENDS
        self.stems: Mapping[bytes, Node] = ENDS
        self.lengths: tuple[int, ...] = ()
        self.any: Node | None = None
        self.concepts: frozenset[str] = frozenset()
        self.last = True

    def child(self, word: str) -> Node:
        self.last = False
        if word == "*":
            self.any = self.any or Node()
            return self.any
        if word.endswith("*"):
            stem = word.rstrip("*").encode()
            if not isinstance(self.stems, dict):
                self.stems = {}
            if stem not in self.stems:
                self.stems[stem] = Node()
                self.lengths = tuple(sorted({*self.lengths, len(stem)}))
            return self.stems[stem]
        if not isinstance(self.exact, dict):
            self.exact = {}
        return self.exact.setdefault(word.encode(), Node())

    def after(self, word: bytes) -> list[Node]:
        """The nodes a word leads to."""
        node = self.exact.get(word)
        out = [] if node is None else [node]
        for length in self.lengths:
            if length > len(word):
                break
            node = self.stems.get(word[:length])
            if node is not None:
                out.append(node)
        if self.any is not None:
            out.append(self.any)
        return out


def trie(phrases: Iterable[tuple[str, str]]) -> Node:
    """The root over phrases, each given with its concept.

    Ends that are alike are one: of sixty thousand nodes three thousand are left. So that the others
    never stand there together, what begins with one word is put in and merged at a time.
    """
    root = Node()
    begun: dict[Node, list[tuple[str, str]]] = {}
    for phrase, concept in phrases:
        first, _, rest = phrase.removeprefix("* ").partition(" ")
        begun.setdefault(root.child(first), []).append((rest, concept))
    concepts: dict[frozenset[str], frozenset[str]] = {}
    known: dict[Any, Node] = {}
    for branch, rests in begun.items():
        for rest, concept in rests:
            node = branch
            for word in rest.split():
                node = node.child(word)
            held = node.concepts | {concept}
            node.concepts = concepts.setdefault(held, held)
        _merged(branch, known)
    return root


def _merged(node: Node, known: dict[Any, Node]) -> Node:
    """The node of those known that says the same; everything behind it is merged first."""
    if node.last:
        return known.setdefault(node.concepts, node)
    if isinstance(node.exact, dict):
        node.exact.update([(word, _merged(one, known)) for word, one in node.exact.items()])
    if isinstance(node.stems, dict):
        node.stems.update([(stem, _merged(one, known)) for stem, one in node.stems.items()])
    if node.any is not None:
        node.any = _merged(node.any, known)
    exact = frozenset([(word, id(one)) for word, one in node.exact.items()])
    stems = frozenset([(stem, id(one)) for stem, one in node.stems.items()])
    return known.setdefault((node.concepts, exact, stems, id(node.any)), node)


class Word:
    """What a word says.

    `gain` is its weight in the linear model, `concepts` are those of the word alone, `nodes` where
    it leads to from the beginning of a phrase: none where no phrase begins with it. `nexts` are
    the words that may follow, None where that is not a matter of whole words.
    """

    __slots__ = ("concepts", "gain", "nexts", "nodes")

    def __init__(self, gain: int, nodes: Sequence[Node]) -> None:
        self.gain = gain
        self.nodes = nodes
        self.concepts: frozenset[str] = frozenset().union(*(node.concepts for node in nodes))
        loose = any(node.lengths or node.any for node in nodes)
        self.nexts = None if loose else frozenset().union(*(node.exact for node in nodes))

    def leads(self, word: bytes, another: bytes) -> bool:
        """Whether a phrase may go on with a word and another one (empty: any other)."""
        for node in self.nodes:
            if word in node.exact:
                return True
            for length in node.lengths:
                if word[:length] in node.stems:
                    return True
            ahead = node.any
            if ahead is not None and (
                not another
                or another in ahead.exact
                or ahead.lengths
                or ahead.any is not None
                or ahead.concepts
            ):
                return True
        return False


_SILENT = Word(0, ())
SLIPPED = Word(0, ())
"""What a word says whose letters are in disorder."""


class Vocabulary(dict[bytes, Word]):
    """The words seen so far, and what each says; `gains` are the weights of single words, `slipped`
    tells words with their letters in disorder.
    """

    def __init__(
        self, root: Node, gains: Mapping[bytes, int], slipped: Callable[[bytes], bool]
    ) -> None:
        self._root = root
        self._gains = gains
        self._slipped = slipped

    def __missing__(self, word: bytes) -> Word:
        if len(self) >= CACHE_MAX:
            self.clear()
        nodes = self._root.after(word) if word else ()
        gain = self._gains.get(word, 0)
        if nodes or gain:
            said = self[word] = Word(gain, nodes)
            return said
        said = self[word] = SLIPPED if self._slipped(word) else _SILENT
        return said
