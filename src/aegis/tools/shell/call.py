"""One program with its arguments, as the judges of programs see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..reading import UNKNOWN, Notes
from .paths import PATH_MAX, normalised
from .quoting import HOLE
from .script import Command, Word

if TYPE_CHECKING:
    from collections.abc import Callable

NESTING_MAX = 8
"""Deepest `sh -c` inside `sh -c` that is read."""


@dataclass(slots=True)
class Scene:
    """What holds while one line is judged: the notes, and the directory it has changed to."""

    notes: Notes
    line: Callable[[str, Scene], None]
    words: Callable[[list[Word], Command, Scene], None]
    functions: frozenset[str] = frozenset()
    directory: str = ""
    root: str = ""
    depth: int = 0

    def path(self, text: str) -> str:
        """A path as a resource names it, from the directory the line has changed to."""
        if len(text) > PATH_MAX:
            self.notes.doubts(f"a path is longer than {PATH_MAX} characters")
            return UNKNOWN
        return normalised(text.replace(HOLE, UNKNOWN), self.directory, self.root)


@dataclass(slots=True)
class Call:
    """One program: its name without directory, its arguments, and the command it stands in."""

    name: str
    args: list[Word]
    command: Command
    scene: Scene

    @property
    def notes(self) -> Notes:
        """Where to note what it does."""
        return self.scene.notes

    @property
    def texts(self) -> list[str]:
        """The arguments as texts."""
        return [word.text for word in self.args]

    def file(self, word: Word | str, verb: str) -> str:
        """Notes a file that the call touches; returns its path."""
        path = self.scene.path(word if isinstance(word, str) else word.text)
        self.notes.touches("file", path, verb)
        return path


@dataclass(slots=True)
class Parsed:
    """Arguments apart: flags without dashes, values of options, and the rest in order."""

    flags: set[str] = field(default_factory=set)
    values: dict[str, list[Word]] = field(default_factory=dict)
    operands: list[Word] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        """Whether any of these flags or options is given."""
        return any(name in self.flags or name in self.values for name in names)

    def of(self, *names: str) -> list[Word]:
        """The values of these options, in the order of the names."""
        return [word for name in names for word in self.values.get(name, ())]


def parsed(args: list[Word], valued: frozenset[str] = frozenset()) -> Parsed:
    """Arguments taken apart as getopt does; `valued` names the options that take a value.

    Long options are recognised by their own spelling; an abbreviation stays a flag.
    """
    found = Parsed()
    waiting: str | None = None
    ended = False
    for word in args:
        text = word.text
        if waiting is not None:
            found.values.setdefault(waiting, []).append(word)
            waiting = None
        elif ended or len(text) < 2 or text[0] != "-":
            found.operands.append(word)
        elif text == "--":
            ended = True
        elif text.startswith("--"):
            name, equals, value = text[2:].partition("=")
            if equals:
                found.values.setdefault(name, []).append(Word(value, word.sources))
                found.flags.add(name)
            elif name in valued:
                waiting = name
            else:
                found.flags.add(name)
        else:
            waiting = _cluster(text, word, valued, found)
    return found


def _cluster(text: str, word: Word, valued: frozenset[str], found: Parsed) -> str | None:
    """Short options in one word; returns the name that still waits for its value."""
    if text[1:] in valued:
        return text[1:]
    for at, letter in enumerate(text[1:], 1):
        if letter in valued:
            rest = text[at + 1 :]
            if not rest:
                return letter
            found.values.setdefault(letter, []).append(Word(rest, word.sources))
            return None
        found.flags.add(letter)
    return None
