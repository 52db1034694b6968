"""Documents as trees of nodes that know where they stand.

YAML 1.2 (yaml.org/spec/1.2.2, core schema: `18:00`, `on` and `no` are text) through the event
parser of ruamel.yaml, or a plain dict; both become the same tree, so one reader serves both.
Refused: duplicate and merge keys, tags, several documents, recursive aliases, and everything
beyond the bounds below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from ..model import PolicyError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

BYTES_MAX = 1 << 20
"""Largest document in bytes; 10,000 rules of a hundred characters."""

DEPTH_MAX = 24
"""Deepest nesting; a rule needs seven levels, nested `any`/`all`/`not` a few more."""

NODES_MAX = 250_000
"""Most nodes with every alias counted as often as it is used: an alias bomb ends here."""

DIGITS_MAX = 300
"""Longest number as text; beyond it a number is only a way to cost time."""

_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_HALF = re.compile("[\ud800-\udfff]")
_HALVES = "holds half of a surrogate pair, which is no text (RFC 3629, section 3)"
_WORDS = {"": None, "~": None} | {
    spelled: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelled in (word, word.capitalize(), word.upper())
}


class Node:
    """A value and its place. `value` is a scalar, a list of nodes, or a dict of key to node;
    `keys` holds the places of a dict's keys. `size` counts the nodes from here down, an alias as
    often as it is used.
    """

    __slots__ = ("column", "keys", "line", "size", "value")

    def __init__(self, value: Any, line: int = 0, column: int = 0) -> None:
        self.value = value
        self.line = line
        self.column = column
        self.keys: dict[str, Node] = {}
        self.size = 1

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def kind(value: Any) -> str:
    """What a value is called in a complaint."""
    if value is None:
        return "nothing"
    names = ((bool, "true or false"), (str, "text"), (int, "a number"), (float, "a number"))
    for type_, name in (*names, (list, "a list"), (dict, "a mapping")):
        if isinstance(value, type_):
            return name
    return f"a {type(value).__name__}"


def parse_yaml(text: str, source: str) -> Node:
    """The tree of one YAML document. Raises PolicyError with its place on anything unusable."""
    if len(text) > BYTES_MAX or len(text.encode("utf-8", "replace")) > BYTES_MAX:
        hint = "split it and load the parts with `from_yaml_files`"
        raise PolicyError([Problem(f"larger than {BYTES_MAX} bytes", source=source, hint=hint)])
    try:
        return _Builder(source).build(YAML(typ="safe", pure=True).parse(text))
    except PolicyError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = f"not valid YAML: {error.problem or error.context or 'malformed'}"
        raise PolicyError([Problem(message, source=source, line=line, column=column)]) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        message = f"not valid YAML: the character U+{error.character:04X} may not stand here"
        raise PolicyError([Problem(message, source=source, line=line, column=column)]) from None
    except (
        YAMLError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RuntimeError,
        TypeError,
        ValueError,
        AssertionError,
    ) as error:
        # the YAML parser raises bare Python errors for a few malformed directives and escapes
        first = (str(error).splitlines() or ["malformed"])[0]
        raise PolicyError([Problem(f"not valid YAML: {first}", source=source)]) from None


class _Open:
    """A mapping or list whose end has not come yet; `key` waits for its value."""

    __slots__ = ("key", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.key: Node | None = None


class _Builder:
    """Events to nodes, without recursion."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.anchors: dict[str, Node] = {}
        self.stack: list[_Open] = []
        self.root: Node | None = None

    def fail(self, message: str, event: Any) -> PolicyError:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        return PolicyError([Problem(message, source=self.source, line=line, column=column)])

    def build(self, events: Iterable[Any]) -> Node:
        for event in events:
            if isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                node = self.stack.pop().node
                if self.stack:
                    self.add(node, event)
            elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                self.start(event)
            elif isinstance(event, (ScalarEvent, AliasEvent)):
                self.leaf(event)
            elif isinstance(event, DocumentStartEvent) and self.root is not None:
                raise self.fail("more than one document; split the file at `---`", event)
        return self.root if self.root is not None else Node(None, 1, 1)

    def start(self, event: Any) -> None:
        if len(self.stack) >= DEPTH_MAX:
            raise self.fail(f"nested deeper than {DEPTH_MAX} levels", event)
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.node.value, dict) and top.key is None:
            raise self.fail("a key has to be text", event)
        node = self.made({} if isinstance(event, MappingStartEvent) else [], event)
        self.root = self.root or node
        self.stack.append(_Open(node))

    def leaf(self, event: Any) -> None:
        node = self.alias(event) if isinstance(event, AliasEvent) else self.scalar(event)
        top = self.stack[-1] if self.stack else None
        if top is None:
            self.root = node
        elif isinstance(top.node.value, dict) and top.key is None:
            top.key = self.key(node, event, top.node.value)
        else:
            self.add(node, event)

    def made(self, value: Any, event: Any) -> Node:
        if event.ctag is not None and str(event.ctag) != "!":
            raise self.fail(f"tags such as `{event.ctag}` are not used here; remove it", event)
        node = Node(value, event.start_mark.line + 1, event.start_mark.column + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None or any(frame.node is node for frame in self.stack):
            raise self.fail(f"alias `*{event.anchor}` points at nothing, or at itself", event)
        return node

    def scalar(self, event: Any) -> Node:
        if _halved(event.value):
            raise self.fail(f"this {_HALVES}", event)
        if event.style is not None or event.ctag is not None:
            return self.made(event.value, event)
        try:
            return self.made(resolved(event.value), event)
        except ValueError as error:
            raise self.fail(str(error), event) from None

    def key(self, node: Node, event: Any, mapping: dict[str, Node]) -> Node:
        if isinstance(node.value, (dict, list)):
            raise self.fail("a key has to be text", event)
        name = event.value if isinstance(event, ScalarEvent) else str(node.value)
        if name == "<<":
            raise self.fail("merge keys are not part of YAML 1.2; repeat the keys", event)
        if name in mapping:
            raise self.fail(f"key `{name}` is written twice; keep one", event)
        return Node(name, event.start_mark.line + 1, event.start_mark.column + 1)

    def add(self, node: Node, event: Any) -> None:
        top = self.stack[-1]
        top.node.size += node.size
        if top.node.size > NODES_MAX:
            raise self.fail(f"more than {NODES_MAX} values, every alias counted", event)
        if top.key is None:
            top.node.value.append(node)
        else:
            top.node.value[top.key.value] = node
            top.node.keys[top.key.value] = top.key
            top.key = None


def _halved(text: str) -> bool:
    return not text.isascii() and _HALF.search(text) is not None


def resolved(text: str) -> Any:
    """The value of a plain scalar in the core schema (YAML 1.2.2 section 10.3.2).

    Raises ValueError for a number of more than DIGITS_MAX characters.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not _INT.fullmatch(text) and not _FLOAT.fullmatch(text) and not _BASED.fullmatch(text):
        special = text.lstrip("+-").lower()
        return float(text.replace(".", "", 1)) if special in (".inf", ".nan") else text
    if len(text) > DIGITS_MAX:
        raise ValueError(f"a number of more than {DIGITS_MAX} digits; quote it if it is text")
    if _BASED.fullmatch(text):
        return int(text, 0)
    return int(text) if _INT.fullmatch(text) else float(text)


def from_plain(value: Any, source: str) -> Node:
    """The tree of a plain value. Raises PolicyError where it is too deep, too large, contains
    itself, or holds something YAML could not say.
    """
    budget = [NODES_MAX]

    def build(item: Any, path: str, depth: int) -> Node:
        budget[0] -= 1
        if budget[0] < 0:
            raise PolicyError([Problem(f"more than {NODES_MAX} values", source=source)])
        if depth > DEPTH_MAX:
            message = f"nested deeper than {DEPTH_MAX} levels, or contains itself"
            raise PolicyError([Problem(message, source=source, path=path[:200])])
        node = Node(item)
        if isinstance(item, dict):
            node.value = {}
            for key, below in item.items():
                if not isinstance(key, str):
                    # YAML reads a bare 1 in key position as text too
                    if not isinstance(key, (int, float)) and key is not None:
                        raise PolicyError([Problem("a key has to be text", source=source)])
                    key = str(key)
                if _halved(key):
                    raise PolicyError([Problem(f"a key {_HALVES}", source=source)])
                node.value[key] = build(below, f"{path}.{key}" if path else key, depth + 1)
                node.keys[key] = Node(key)
        elif isinstance(item, (list, tuple, set, frozenset)):
            items = sorted(item, key=repr) if isinstance(item, (set, frozenset)) else item
            node.value = [build(below, f"{path}[{i}]", depth + 1) for i, below in enumerate(items)]
        elif isinstance(item, str):
            node.value = str.__str__(item)
            if _halved(node.value):
                message = f"this {_HALVES}"
                raise PolicyError([Problem(message, source=source, path=path[:200])])
        elif item is not None and not isinstance(item, (bool, int, float)):
            raise PolicyError(
                [Problem(f"{kind(item)} has no place here", source=source, path=path[:200])]
            )
        return node

    return build(value, "", 0)
