"""What a call acts on, by the names of its arguments.

A tool whose arguments nobody declared still says much by what it calls them: `path`, `url`,
`repo`, `table`. This is a guess; it adds facts a policy may match, and takes none away.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ..model import Resource
from .names import words
from .read import COMMAND_KEYS, STATEMENT_KEYS

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

RESOURCES_MAX = 64
"""Most resources named for one call; a call on more is undecided."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "path": "file",
        "paths": "file",
        "file": "file",
        "files": "file",
        "filename": "file",
        "filepath": "file",
        "source": "file",
        "destination": "file",
        "directory": "file",
        "dir": "file",
        "folder": "file",
        "cwd": "file",
        "uri": "url",
        "url": "url",
        "urls": "url",
        "endpoint": "url",
        "host": "host",
        "hostname": "host",
        "domain": "host",
        "repo": "repository",
        "repository": "repository",
        "branch": "branch",
        "ref": "branch",
        "base": "branch",
        "table": "table",
        "tables": "table",
        "collection": "table",
        "schema": "schema",
        "database": "database",
        "db": "database",
        "bucket": "bucket",
        "namespace": "namespace",
        "cluster": "cluster",
        "queue": "queue",
        "topic": "queue",
        "channel": "channel",
        "recipient": "recipient",
        "recipients": "recipient",
        "to": "recipient",
        "email": "recipient",
        "account": "account",
    }
)
"""Last word of an argument's name → kind of resource."""

_ORDER = (
    "file",
    "repository",
    "table",
    "database",
    "url",
    "host",
    "bucket",
    "recipient",
    "channel",
)
"""Kinds that make a target, the most telling first."""


_SHELLS = frozenset(
    ("shell", "bash", "sh", "zsh", "terminal", "command", "commands", "exec", "execute", "ssh")
)
_DATABASES = frozenset(
    ("sql", "postgres", "postgresql", "mysql", "mariadb", "sqlite", "duckdb", "database")
)


def spoken(name: str, params: Mapping[str, Any]) -> str:
    """The protocol of a text among a call's arguments, by the words of tool and argument: `shell`,
    `sql`, or empty where there is none.
    """
    if "sql" in params:
        return "sql"
    said = set(words(name))
    if said & _SHELLS and any(key in params for key in COMMAND_KEYS):
        return "shell"
    if said & _DATABASES and any(key in params for key in STATEMENT_KEYS):
        return "sql"
    return ""


class Named(msgspec.Struct, frozen=True):
    """What arguments name. `unclear` says why that is not all, or not certain; else it is empty."""

    target: str = ""
    resources: tuple[Resource, ...] = ()
    unclear: str = ""


def acts_on(
    params: Mapping[str, Any],
    verb: str,
    *,
    kinds: Mapping[str, str] | None = None,
    target: str = "",
    declared: Container[str] | None = None,
) -> Named:
    """What a call acts on: by `kinds` (argument → kind) where they are given, else by what the
    arguments are called.

    The target is what the argument `target` names; else the first resource of `kinds`, or of the
    most telling kind. `owner` and `repo` are joined as `owner/repo`. A URL names its host, too.
    `declared` holds the arguments the tool declares: another one gives no certain target where
    a declared one would give one, too.
    """
    found = _Found(verb)
    for name, value in params.items():
        kind = kinds.get(name) if kinds else KINDS.get(_last_word(name))
        for text in found.texts(name, value) if kind is not None else ():
            found.add(name, kind or "", _owned(text, params) if kind == "repository" else text)
    if target:
        return found.aimed(target, params.get(target))
    order = tuple(dict.fromkeys(kinds.values())) if kinds else _ORDER
    return found.guessed(order, declared)


def _owned(repository: str, params: Mapping[str, Any]) -> str:
    owner = params.get("owner")
    joined = isinstance(owner, str) and owner and "/" not in repository
    return f"{owner}/{repository}" if joined else repository


class _Found:
    """Collects the resources of one call, and why they are not certain."""

    def __init__(self, verb: str) -> None:
        self.resources: dict[Resource, None] = {}
        self.unclear = ""
        self._verb = verb
        self._said: list[tuple[str, str, str]] = []

    def texts(self, name: str, value: Any) -> list[str]:
        """An argument as the names it holds; what is no text is not passed over in silence."""
        items = value if isinstance(value, (list, tuple)) else (value,)
        if any(item is not None and not isinstance(item, str) for item in items):
            self.doubts(f"`{name}` is neither a text nor a list of texts")
        return [item for item in items if isinstance(item, str) and item]

    def add(self, name: str, kind: str, text: str) -> None:
        host = _host(text) if kind == "url" else ""
        for resource in (
            Resource(kind, text, self._verb),
            *((Resource("host", host, self._verb),) if host else ()),
        ):
            if resource in self.resources:
                continue
            if len(self.resources) >= RESOURCES_MAX:
                self.doubts(f"it names more than {RESOURCES_MAX} resources")
                return
            self.resources[resource] = None
        self._said.append((name, kind, text))

    def guessed(self, order: tuple[str, ...], declared: Container[str] | None) -> Named:
        """With the first resource of the first kind of `order` as target."""
        said = [one for one in self._said if one[1] in order]
        if not said:
            return Named("", tuple(self.resources), self.unclear)
        name, kind, target = min(said, key=lambda one: order.index(one[1]))
        if any(other == kind and text != target for _, other, text in said):
            self.doubts(f"it names more than one {kind}")
        if declared is not None and name not in declared and any(one[0] != name for one in said):
            self.doubts(f"the tool declares no argument `{name}`")
        return Named(target, tuple(self.resources), self.unclear)

    def aimed(self, argument: str, value: Any) -> Named:
        """With what one argument names as target."""
        texts = self.texts(argument, value)
        if len(set(texts)) > 1:
            self.doubts(f"`{argument}` names more than one target")
        return Named(next(iter(texts), ""), tuple(self.resources), self.unclear)

    def doubts(self, reason: str) -> None:
        """The first reason stands."""
        self.unclear = self.unclear or reason


def _last_word(name: str) -> str:
    if name in KINDS:
        return name
    found = words(name)
    return found[-1] if found else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
