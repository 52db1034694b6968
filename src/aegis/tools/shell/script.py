"""What a command line consists of: simple commands with their words and redirections."""

from __future__ import annotations

from dataclasses import dataclass, field

from .quoting import HOLE


class Unreadable(Exception):
    """The line cannot be read; the message says why."""


@dataclass(slots=True)
class Word:
    """One word: its text without quotes, and the commands whose output is part of it.

    `process` says that it is a process substitution, which stands for a pipe.
    """

    text: str
    sources: tuple[Command, ...] = ()
    disguised: bool = False
    bare: bool = True
    process: bool = False

    @property
    def known(self) -> bool:
        """Whether the whole text is known."""
        return HOLE not in self.text


@dataclass(slots=True)
class Redirect:
    """One redirection: its operator and the file it names."""

    operator: str
    target: Word


@dataclass(slots=True)
class Command:
    """One simple command, and what stands before it in its pipe. `until`: as far as that command of
    the script, what comes after this one runs only where this one succeeded.
    """

    words: list[Word] = field(default_factory=list)
    assigned: list[tuple[str, Word]] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    feeds: tuple[Command, ...] = ()
    text_in: Word | None = None
    last: bool = True
    until: int = 0


@dataclass(slots=True)
class Script:
    """What a line holds: its commands in order, the functions it defines, and what is wrong."""

    commands: list[Command] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    wrong: str = ""
