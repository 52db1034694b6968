"""The trie of phrases of the lexicons, word by word, and what a word says by itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

CACHE_MAX = 16_384
"""Most words of texts in one generation of those that are remembered; two are kept."""

FOLLOWERS_MAX = 128
"""Most words remembered behind some others: behind a few of those any word may stand."""

ENDS: Mapping[Any, Any] = MappingProxyType({})
"""What nodes without further words share: most phrases end, and empty dicts add up to megabytes."""


NOTHING: frozenset[str] = frozenset()
"""No concepts. What is alike is the same object: sets of concepts are compared all along."""


class Node:
    """One word further into some phrases."""

    __slots__ = ("_said", "any", "concepts", "exact", "lengths", "stems")

    def __init__(self) -> None:
        self.exact: Mapping[bytes, Node] = ENDS
        self.stems: Mapping[bytes, Node] = ENDS
        self.lengths: tuple[int, ...] = ()
        self.any: Node | None = None
        self.concepts = NOTHING
        self._said: Word | None = None

    def child(self, word: str) -> Node:
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

    def said(self) -> Word:
        """What the words up to here say."""
        if self._said is None:
            self._said = Word(0, (self,))
        return self._said


class _Any:
    """What may follow where that is not a matter of whole words."""

    def __contains__(self, word: object) -> bool:
        return True


_ANY: Container[bytes] = _Any()


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
    if node.exact is ENDS and node.stems is ENDS and node.any is None:
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
    """What a word says, or some words in a row.

    `gain` is the weight of a word in the linear model, `concepts` are those of the words so far;
    `nodes` is where they lead to in the trie: none where no phrase begins with them. `nexts` holds
    what may follow in a phrase, `seconds` what may stand behind any word that follows; the empty
    word is among them where another one may stand behind it. `thens` is what `then` has said so
    far.
    """

    __slots__ = ("concepts", "gain", "nexts", "nodes", "seconds", "thens")

    def __init__(self, gain: int, nodes: Sequence[Node]) -> None:
        self.gain = gain
        self.nodes = nodes
        self.concepts = _united([node.concepts for node in nodes if node.concepts])
        ahead = [node.any for node in nodes if node.any is not None]
        nexts: frozenset[bytes] = frozenset().union(*(node.exact for node in nodes))
        seconds: frozenset[bytes] = frozenset().union(*(node.exact for node in ahead))
        loose = any(node.lengths for node in (*nodes, *ahead)) or any(
            node.concepts or node.any for node in ahead
        )
        self.nexts: Container[bytes] = nexts
        if loose:
            self.nexts = _ANY
        elif nexts or ahead:
            self.nexts = nexts | {b""}
        self.seconds = seconds | {b""} if seconds and not loose else frozenset()
        self.thens: dict[bytes, Word] = {}

    def then(self, word: bytes) -> Word | None:
        """What is said with another word behind, of `nexts` or where there are `seconds`; None
        where no phrase goes on with it.
        """
        nodes = [child for node in self.nodes for child in node.after(word)]
        if not nodes:
            return None
        said = nodes[0].said() if len(nodes) == 1 else Word(0, nodes)
        if len(self.thens) >= FOLLOWERS_MAX:
            self.thens.clear()
        self.thens[word] = said
        return said


def _united(concepts: Sequence[frozenset[str]]) -> frozenset[str]:
    """The concepts of some nodes that have any."""
    if len(concepts) > 1:
        return NOTHING.union(*concepts)
    return concepts[0] if concepts else NOTHING


_SILENT = Word(0, ())
SLIPPED = Word(0, ())
"""What a word says whose letters are in disorder."""

DISORDER = SLIPPED.concepts = frozenset({"disorder"})
"""Stands among the concepts of a text where such words do; it is none, and no rule knows it."""


class Vocabulary(dict[bytes, Word]):
    """The words seen of late, and what each says; `gains` are the weights of single words,
    `slipped` tells words with their letters in disorder.
    """

    def __init__(
        self, root: Node, gains: Mapping[bytes, int], slipped: Callable[[bytes], bool]
    ) -> None:
        self._root = root
        # a word that begins like none of the stems has none
        self._least = min(root.lengths, default=0)
        self._heads = frozenset([stem[: self._least] for stem in root.stems])
        self._gains = gains
        self._slipped = slipped
        self._older: dict[bytes, Word] = {}
        # no more than the lexicons and the model have; what is small stays in the processor's cache
        self._alike: dict[tuple[int, tuple[Node, ...]], Word] = {}

    def __missing__(self, word: bytes) -> Word:
        said = self._older.get(word) or self._said(word)
        if len(self) >= CACHE_MAX:
            self._older = self.copy()
            self.clear()
        self[word] = said
        return said

    def _said(self, word: bytes) -> Word:
        nodes: tuple[Node, ...] = ()
        if word[: self._least] in self._heads:
            nodes = tuple(self._root.after(word))
        elif word in self._root.exact:
            nodes = (self._root.exact[word],)
        gain = self._gains.get(word, 0)
        if not (nodes or gain):
            return SLIPPED if self._slipped(word) else _SILENT
        alike = self._alike.get((gain, nodes))
        if alike is None:
            alike = self._alike[gain, nodes] = Word(gain, nodes)
        return alike
