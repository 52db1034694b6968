"""Which commands run only where an earlier one succeeded: behind `a &&`, and behind `a || exit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .script import Command

_LEAVES = (["exit"], ["return"])


def note(node: Any, found: list[Command], behind: list[Command], count: int, most: int) -> None:
    """Note at the commands before the operator of a list how far they are believed: up to the
    command `count` behind `&&`, for good (`most`) where `|| exit` stands behind them.
    """
    first = node.named_children[0]
    if first.type not in ("command", "list"):
        return
    if any(child.type == "&&" for child in node.children):
        if _alternative(first):
            return
        for command in found:
            command.until = count
    elif first.type == "command" and [w.text for c in behind for w in c.words[:1]] in _LEAVES:
        found[0].until = most


def _alternative(node: Any) -> bool:
    """Whether `||` stands in a list, or in one it begins with: `a || b && c` may run `c` where
    `a` failed.
    """
    while node.type == "list":
        if any(child.type == "||" for child in node.children):
            return True
        node = node.named_children[0]
    return False
