"""Putting masked values back: for the user who sent them, and for tools the configuration names."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .settings import MODEL
from .vault import PARTIAL, PLACEHOLDER_MAX, Vault, placeholders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Action


class Restorer:
    """Replaces the placeholders of a session (see `flow.rules.Restoring`). Thread-safe."""

    def __init__(self, vault: Vault, tools: Sequence[str]) -> None:
        self._vault = vault
        self._tools = tuple(tools)

    def restores(self, tool: str) -> bool:
        """Whether a tool gets the values themselves."""
        return any(fnmatchcase(tool, glob) for glob in self._tools)

    def performs(self, action: Action) -> bool:
        """Whether an action is a call of such a tool; never one that goes to a model."""
        return action.protocol != MODEL and self.restores(action.type)

    def text(self, text: str, action: Action) -> str:
        """The text with the placeholders of the action's session replaced."""
        out: list[str] = []
        position = 0
        for start, end, value in self.spans(text, action):
            out += (text[position:start], value)
            position = end
        out.append(text[position:])
        return "".join(out)

    def spans(self, text: str, action: Action, first: int = 0) -> list[tuple[int, int, str]]:
        """Places (start, end) of placeholders, with the values they stand for. What stands before
        `first` only tells the edge of a word.
        """
        if not self._vault:
            return []
        found: list[tuple[int, int, str]] = []
        for start, end, name in placeholders(text, first):
            value = self._vault.value(action, name)
            if value is not None:
                found.append((start, end, value))
        return found

    def scan(self, action: Action) -> RestoringScan | None:
        """A reader for a text that arrives in pieces; None where the session has no values."""
        return RestoringScan(self, action) if self._vault.holds(action) else None


class RestoringScan:
    """Finds placeholders however the pieces cut them. Offsets count from the start of the text."""

    __slots__ = ("_action", "_base", "_restorer", "_tail", "settled")

    def __init__(self, restorer: Restorer, action: Action) -> None:
        self._restorer = restorer
        self._action = action
        self._tail = ""
        self._base = 0
        self.settled = 0

    def feed(self, piece: str) -> list[tuple[int, int, str]]:
        """The placeholders that are certain now."""
        text = self._tail + piece
        # look back far enough that the edge of a word is seen, and no further
        first = max(self.settled - self._base, len(text) - PLACEHOLDER_MAX)
        partial = PARTIAL.search(text, first)
        return self._take(text, partial.start() if partial else len(text))

    def close(self) -> list[tuple[int, int, str]]:
        """The remaining ones, now that the text is complete."""
        return self._take(self._tail, len(self._tail))

    def _take(self, text: str, sure: int) -> list[tuple[int, int, str]]:
        base = self._base
        whole = self._restorer.spans(text, self._action, self.settled - base)
        found = [(start + base, end + base, value) for start, end, value in whole if end <= sure]
        self.settled = base + sure
        # one character stays, to tell the edge of a word
        keep = max(0, sure - 1)
        self._tail = text[keep:]
        self._base += keep
        return found
