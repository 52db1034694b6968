"""The section `guardrails`: that its guards exist, and what each says of its own options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import PluginError
from ..plugin.options import Checking, Entry, taken
from ..policy.source import Node
from . import discover
from .options import below

if TYPE_CHECKING:
    from .typed import Path, Reader

SECTION = "guardrails"


def check_guards(root: Node, reader: Reader) -> None:
    """Complain about guards that do not exist and about options they do not take.

    A guard of which nothing but `enabled` and `stages` is said is looked up and not loaded.
    """
    section = below(root, SECTION)
    entries: dict[str, Node] = section.value if section and isinstance(section.value, dict) else {}
    running = frozenset(
        name for name, node in entries.items() if _plain(node, "enabled") in (None, True)
    )
    for name, node in entries.items():
        try:
            discover.find("guard", name)
            if _plain(node, "stages") == []:
                hint = "`enabled: false` switches a guard off"
                message = "an empty list reads nothing"
                reader.complain((SECTION, name, "stages"), node.value["stages"], message, hint)
            if below(node, "options") is not None or _plain(node, "action"):
                _check(reader, node, Entry(name, _action(node), running))
        except PluginError as error:
            reader.complain((SECTION, name), node, str(error))


def _check(reader: Reader, node: Node, entry: Entry) -> None:
    """Complain about one guard's options. Raises PluginError where it cannot be loaded."""
    known = taken(discover.load("guard", entry.name), entry.name)
    if known is None:
        return
    path: Path = (SECTION, entry.name)
    given = below(node, "options")
    if given is None or given.value is None:
        given = Node({}, node.line, node.column)
    if not isinstance(given.value, dict):
        return  # the field table has complained already
    before = len(reader.problems)
    options: Checking = reader.check(known, given, (*path, "options"))
    if len(reader.problems) > before or not hasattr(options, "complaints"):
        return
    for one in options.complaints(entry):
        reader.complain((*path, *one.path), _at(node, one.path), one.message, one.hint)


def _at(node: Node, path: tuple[str | int, ...]) -> Node:
    """The node at a path, or the deepest one above it that is there."""
    for part in path:
        held = node.value
        at_hand = part in held if isinstance(held, dict) else isinstance(held, list)
        if not at_hand:
            break
        node = held[part]
    return node


def _plain(node: Node, key: str) -> Any:
    found = below(node, key)
    return None if found is None else found.value


def _action(node: Node) -> str:
    action = _plain(node, "action")
    return action if isinstance(action, str) else ""
