"""Reads a tree of nodes into a canonical policy document, collecting every complaint.

The canonical document is plain JSON-like data in one spelling (`verdict`, never `approval`; lists
where one or many are allowed), so its hash is the policy's version. Whatever could fail later is
tried here, where there is a line and a column to point at.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ..model import PolicyError, Problem
from .fields import LIST_MAX, REQUIRED, RULES_MAX, field_of, keys_of
from .source import kind
from .values import FAILED, READERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import Field
    from .source import Node

PROBLEMS_MAX = 100
"""Most complaints about one document; after that the rest is noise."""

Place = tuple[str, int, int]
"""Source, line and column; 0 where unknown."""

PLACE = "\0place"
"""Key under which a read rule carries its place until it is taken out."""


class Reader:
    """Reads sections; complaints gather in `problems`."""

    def __init__(self, source: str, evaluated: bool = False) -> None:
        """`evaluated` says that an evaluator, not the keyword matcher, reads semantic texts."""
        self.source = source
        self.evaluated = evaluated
        self.problems: list[Problem] = []

    def complain(self, message: str, node: Node, path: str, hint: str = "") -> Any:
        """Note a problem at a node; the value of the node is then unusable."""
        if len(self.problems) < PROBLEMS_MAX:
            place = {"line": node.line, "column": node.column}
            self.problems.append(
                Problem(message, source=self.source, path=path, hint=hint, **place)
            )
        return FAILED

    def done(self) -> None:
        """Raise PolicyError where anything was wrong."""
        if self.problems:
            raise PolicyError(self.problems)

    def section(
        self, name: str, node: Node, path: str, passed: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The values of a section by canonical key. Keys in `passed` belong to others."""
        out: dict[str, Any] = {}
        if node.value is None:
            return out
        if not isinstance(node.value, dict):
            self.complain(f"expected a mapping, found {kind(node.value)}", node, path)
            return out
        seen: dict[str, str] = {}
        for key, below in node.value.items():
            field = field_of(name, key)
            here = f"{path}.{key}" if path else key
            if field is None:
                if key not in passed:
                    self._unknown(name, key, node.keys.get(key, node), path)
                continue
            if field.name in seen:
                message = f"`{key}` and `{seen[field.name]}` say the same; keep one"
                self.complain(message, node.keys.get(key, node), here)
                continue
            seen[field.name] = key
            value = _READERS[field.kind](self, field, below, here)
            if value is not FAILED:
                out[field.name] = value
        for key in REQUIRED.get(name, ()):
            if key not in seen:
                self.complain(f"`{key}` is missing; without it nothing can match", node, path)
        return out

    def _unknown(self, section: str, key: str, node: Node, path: str) -> None:
        known = keys_of(section)
        close = difflib.get_close_matches(key[:80], known, n=1, cutoff=0.6)
        names = ", ".join(known)
        hint = f"did you mean `{close[0]}`?" if close else f"known keys: {names}"
        here = f"{path}.{key[:80]}" if path else key[:80]
        self.complain("unknown key", node, here, hint)

    def items(self, node: Node, path: str, most: int = LIST_MAX) -> list[Node] | None:
        """The nodes of a list, bounded."""
        if not isinstance(node.value, list):
            self.complain(f"expected a list, found {kind(node.value)}", node, path)
            return None
        if len(node.value) > most:
            self.complain(f"more than {most} entries", node, path)
            return None
        return node.value

    def conditions(self, node: Node, path: str) -> dict[str, Any]:
        """A group of conditions, with what only makes sense together checked."""
        out = self.section("conditions", node, path)
        after, before = out.get("time_after"), out.get("time_before")
        if before is not None and (before == after or (before == "00:00" and after is None)):
            where = node.value.get("time_before", node)
            self.complain("the window is empty", where, path, "make the two times differ")
        return out


def _alternatives(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    nodes = reader.items(node, path)
    if nodes is None:
        return FAILED
    if not nodes:
        return reader.complain("an empty list decides nothing", node, path)
    return [_group(reader, each, f"{path}[{i}]") for i, each in enumerate(nodes)]


def _group(reader: Reader, node: Node, path: str) -> dict[str, Any]:
    if not node.value:
        reader.complain("an empty group of conditions decides nothing", node, path)
        return {}
    return reader.conditions(node, path)


def _section(reader: Reader, field: Field, node: Node, path: str) -> Any:
    if field.section == "conditions":
        if field.name == "not":
            return _group(reader, node, path)
        return reader.conditions(node, path)
    return reader.section(field.section, node, path)


def _list_of(most: int) -> Callable[[Reader, Field, Node, str], Any]:
    def read(reader: Reader, field: Field, node: Node, path: str) -> Any:
        if node.value is None:
            return []
        nodes = reader.items(node, path, most)
        if nodes is None:
            return FAILED
        out = []
        for index, each in enumerate(nodes):
            here = f"{path}[{index}]"
            if not isinstance(each.value, dict):
                reader.complain(f"expected a mapping, found {kind(each.value)}", each, here)
                continue
            value = reader.section(field.section, each, here)
            value[PLACE] = (reader.source, each.line, each.column)
            out.append(value)
        return out

    return read


def _agents(reader: Reader, field: Field, node: Node, path: str) -> Any:
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        message = f"expected agent names, found {kind(node.value)}"
        return reader.complain(message, node, path, "write `Name: { allow: [...] }`")
    return {
        name: reader.section(field.section, below, f"{path}.{name[:80]}")
        for name, below in node.value.items()
    }


_READERS: dict[str, Callable[[Reader, Field, Node, str], Any]] = {
    **READERS,
    "agents": _agents,
    "alternatives": _alternatives,
    "rules": _list_of(RULES_MAX),
    "section": _section,
    "sequences": _list_of(LIST_MAX),
    "tool_rules": _list_of(RULES_MAX),
}
KINDS = frozenset(_READERS)
"""Every kind a field may be of."""
