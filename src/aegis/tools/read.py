"""What an action would do, read from its own words: the one door to the readers of this package.

Actions of the protocols `shell`, `sql`, `git` and `http` carry a text whose meaning is defined;
it is read, and names are only asked where there is no such text.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from .names import capability
from .reading import EXECUTE, READ, STRICTEST_FIRST, Notes, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Action

READ_PROTOCOLS = frozenset(("shell", "sql", "git", "http"))
"""Protocols whose actions are read."""

COMMAND_KEYS = ("command", "cmd", "script", "line", "argv", "args")
"""Parameters that hold a command line (or its words as a list), as tools name them."""

STATEMENT_KEYS = ("sql", "query", "statement", "statements", "text")
"""Parameters that hold SQL, as tools name them."""

ROOT_MAX = 512
"""Longest folder of a project that names are shortened by, in characters."""

TEXTS_MAX = 64
"""Most texts of one action that are read."""


def reading_of(
    protocol: str, type: str, target: str, params: Mapping[str, Any], dialect: str = ""
) -> Reading | None:
    """The reading of an action; None for protocols without a reader. `github` is no protocol, but
    the language of tools that reach it. `dialect` is that of the one server its SQL can reach,
    where that is known.
    """
    if protocol == "shell":
        return _texts(type, target, params, COMMAND_KEYS, _shell)
    if protocol == "sql":
        return _texts(type, target, params, STATEMENT_KEYS, _sql_of(dialect) if dialect else _sql)
    if protocol == "git":
        from .git import read

        return read(type, target, params)
    if protocol == "github":
        from .github import read as read_tool

        return read_tool(type, params)
    if protocol == "http":
        from .http import read as read_request

        return read_request(type, target, params)
    return None


def as_read(action: Action, dialect: str = "") -> Action:
    """The action with what its own words say it does: capability (the stricter of the stated and
    the read one), environment where none is stated, resources, and labels for dangers. `dialect`
    is for a gate in front of one server: only the gate knows it, whoever calls may not say it.

    Actions of other protocols come back as they are.
    """
    try:
        found = reading_of(action.protocol, action.type, action.target, action.params, dialect)
    except Exception as error:
        found = Reading(EXECUTE, undecided=f"its reader failed: {type(error).__name__}")
    if found is None:
        return action
    return msgspec.structs.replace(
        action,
        capability=strictest(action.capability, found.capability),
        environment=action.environment or found.environment,
        resources=(*action.resources, *found.resources),
        labels=(*action.labels, *found.labels),
    )


def file_reading(path: str, verb: str, root: str = "", directory: str = "") -> Reading:
    """What a tool that reads or writes one file would do; `root` is the folder of the project,
    `directory` where the tool runs, if that is elsewhere.
    """
    from .shell import paths

    notes = Notes()
    notes.does(verb)
    if len(path) > paths.PATH_MAX:
        notes.doubts(f"the path is longer than {paths.PATH_MAX} characters")
        return notes.reading()
    name = paths.normalised(path, directory, root)
    notes.touches("file", name, verb)
    danger = (paths.danger_of_reading if verb == READ else paths.danger_of_writing)(name)
    if danger:
        notes.threatens(danger)
    if verb != READ and paths.CI.search(name):
        notes.touches("ci", name, verb)
    return notes.reading()


def strictest(*capabilities: str) -> str:
    """The strictest of some capabilities; unknown words count as none."""
    known = [name for name in capabilities if name in STRICTEST_FIRST]
    return min(known, key=STRICTEST_FIRST.index, default="")


def _shell(text: str, params: Mapping[str, Any]) -> Reading:
    from .shell import read

    folder, root = params.get("cwd") or "", params.get("project") or ""
    if not _place(folder) or not _place(root):
        notes = Notes()
        notes.joins(read(text))
        notes.doubts(f"`cwd` or `project` is no path of at most {ROOT_MAX} characters")
        return notes.reading()
    return read(text, root, folder) if root.startswith("/") else read(text, folder)


def _place(path: object) -> bool:
    return isinstance(path, str) and len(path) <= ROOT_MAX


def _sql(text: str, params: Mapping[str, Any]) -> Reading:
    from .sql import read_text

    found = read_text(text)
    dialect = params.get("dialect")
    if not isinstance(dialect, str) or not dialect:
        return found
    # whoever makes the call may name any dialect: it adds to the reading, it never replaces it
    notes = Notes()
    notes.joins(found)
    notes.joins(read_text(text, dialect))
    return notes.reading()


def _sql_of(dialect: str) -> Any:
    """The reader of SQL for a server whose dialect is certain."""
    from .sql import read_text

    return lambda text, params: read_text(text, dialect)


def _texts(
    type: str, target: str, params: Mapping[str, Any], keys: tuple[str, ...], read: Any
) -> Reading:
    """Every text the action carries, read and joined. A target or type with a space is one too."""
    notes = Notes()
    texts: list[str] = []
    for key in keys:
        value = params.get(key)
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            texts += value if key == "statements" else [shlex.join(value)]
        elif value is not None:
            notes.doubts(f"`{key}` is neither a text nor a list of texts")
    texts += [text for text in (target, type) if any(char.isspace() for char in text.strip())]
    if len(texts) > TEXTS_MAX:
        notes.doubts(f"it carries more than {TEXTS_MAX} texts")
    for text in texts[:TEXTS_MAX]:
        notes.joins(read(text, params))
    for key, kind in (("database", "database"), ("host", "host")):
        value = params.get(key)
        if isinstance(value, str) and value:
            notes.touches(kind, value.lower(), "connect")
    if not texts:
        notes.does(capability(type))
        if target:
            notes.touches("file" if keys is COMMAND_KEYS else "table", target, capability(type))
    return notes.reading()
