"""The trie of phrases of the lexicons, word by word, and what words lead to from its root."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_MAX = 16_384
"""Most words whose way into the trie is remembered."""

ENDS: Mapping[Any, Any] = MappingProxyType({})
"""What nodes without further words share: most phrases end, and empty dicts add up to megabytes."""


class Node:
    """One word further into some phrases."""

    __slots__ = ("any", "concepts", "exact", "lengths", "stems")

    def __init__(self) -> None:
        self.exact: Mapping[bytes, Node] = ENDS
        self.stems: Mapping[bytes, Node] = ENDS
        self.lengths: tuple[int, ...] = ()
        self.any: Node | None = None
        self.concepts: frozenset[str] = frozenset()

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


class Start:
    """Where a word leads to from the beginning of a phrase.

    `concepts` are those of the word alone, `nexts` the words that may follow it, None where that
    is not a matter of whole words.
    """

    __slots__ = ("concepts", "nexts", "nodes")

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.concepts: frozenset[str] = frozenset().union(*(node.concepts for node in nodes))
        loose = any(node.lengths or node.any for node in nodes)
        self.nexts = None if loose else frozenset().union(*(node.exact for node in nodes))

    def leads(self, word: bytes) -> bool:
        """Whether a phrase may go on with a word."""
        nexts = self.nexts
        if nexts is not None:
            return word in nexts
        for node in self.nodes:
            if node.any is not None or word in node.exact:
                return True
            stems = node.stems
            for length in node.lengths:
                if word[:length] in stems:
                    return True
        return False


NO_WORDS: frozenset[bytes] = frozenset()


class Starts(dict[bytes, "Start | None"]):
    """What the words seen so far lead to."""

    def __init__(self, root: Node) -> None:
        self._root = root

    def __missing__(self, word: bytes) -> Start | None:
        if len(self) >= CACHE_MAX:
            self.clear()
        nodes = self._root.after(word) if word else []
        start = self[word] = Start(nodes) if nodes else None
        return start
