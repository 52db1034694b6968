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


PLACES_MAX = 8
"""Most directories a line may be in at once, each because some `cd` failed."""

_ALWAYS_THERE = frozenset(("/", "~", "..", ".", ""))


@dataclass(slots=True)
class Scene:
    """What holds while one line is judged: the notes, and the directory it has changed to.

    `others` is where the line may be instead, because a `cd` failed, and from which command on;
    `at` is the number of the command that is judged.
    """

    notes: Notes
    line: Callable[[str, Scene], None]
    words: Callable[[list[Word], Command, Scene], None]
    functions: frozenset[str] = frozenset()
    directory: str = ""
    root: str = ""
    depth: int = 0
    others: tuple[tuple[str, int], ...] = ()
    at: int = 0

    def path(self, text: str) -> str:
        """A path as a resource names it, from the directory the line has changed to."""
        return self._from(self.directory, text)

    def paths(self, text: str) -> list[str]:
        """The same, then as it is called from wherever else the line may be."""
        found = [self.path(text)]
        if self.others:
            found += [self._from(place, text) for place, since in self.others if since <= self.at]
        return found if len(found) == 1 else list(dict.fromkeys(found))

    def moves(self, text: str, until: int) -> None:
        """The line changes to a directory. Where that fails it stays where it is; up to the command
        `until`, nothing runs then.
        """
        before = (self.directory, max(until, self.at)), *self.others
        here = self.path(text)
        if text not in _ALWAYS_THERE:
            relative = not text.startswith(("/", "~"))
            also = [(self._from(place, text), since) for place, since in self.others if relative]
            self.others = tuple(dict.fromkeys((*before, *also)))
        elif text not in ("..", "."):
            self.others = ()
        else:
            self.others = tuple((self._from(place, text), since) for place, since in self.others)
        self.directory = here
        if len(self.others) > PLACES_MAX:
            self.others = self.others[:PLACES_MAX]
            self.notes.doubts("where its commands run is only known when it runs")

    def _from(self, directory: str, text: str) -> str:
        if len(text) > PATH_MAX:
            self.notes.doubts(f"a path is longer than {PATH_MAX} characters")
            return UNKNOWN
        return normalised(text.replace(HOLE, UNKNOWN), directory, self.root)


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
        return self.files(word, verb)[0]

    def files(self, word: Word | str, verb: str) -> list[str]:
        """Notes a file that the call touches; returns its path, and what it is called from wherever
        else the line may be.
        """
        found = self.scene.paths(word if isinstance(word, str) else word.text)
        for path in found:
            self.notes.touches("file", path, verb)
        return found


@dataclass(slots=True)
class Parsed:
    """Arguments apart: flags without dashes, values of options, and the rest in order. `short` are
    the long options that may be abbreviations, as getopt_long(3) takes them.
    """

    flags: set[str] = field(default_factory=set)
    values: dict[str, list[Word]] = field(default_factory=dict)
    operands: list[Word] = field(default_factory=list)
    short: set[str] = field(default_factory=set)

    def has(self, *names: str) -> bool:
        """Whether any of these flags or options is given, long ones in full or abbreviated."""
        return any(
            name in self.flags or name in self.values or self._abbreviated(name) for name in names
        )

    def of(self, *names: str) -> list[Word]:
        """The values of these options, in the order of the names."""
        found = [word for name in names for word in self.values.get(name, ())]
        for name in names if self.short else ():
            for given in self._abbreviated(name):
                found += self.values.get(given, ())
        return found

    def _abbreviated(self, name: str) -> list[str]:
        """The given options that abbreviate a long one."""
        if len(name) < 2:
            return []
        return [given for given in self.short if given != name and name.startswith(given)]


def parsed(args: list[Word], valued: frozenset[str] = frozenset()) -> Parsed:
    """Arguments taken apart as getopt does; `valued` names the options that take a value.

    A long option that is none of `valued` may abbreviate one of them, and then takes a value.
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
            found.short.add(name)
            if equals:
                found.values.setdefault(name, []).append(Word(value, word.sources))
                found.flags.add(name)
            elif name in valued:
                waiting = name
            elif any(len(each) > 1 and each.startswith(name) for each in valued):
                found.flags.add(name)
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
