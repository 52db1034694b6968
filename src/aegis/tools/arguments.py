"""What a call acts on, by the names of its arguments.

A tool whose arguments nobody declared still says much by what it calls them: `path`, `url`,
`repo`, `table`. This is a guess; it adds facts a policy may match, and takes none away. Arguments
within arguments are looked at, too, and those that stand in a text as JSON.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ..model import CAPABILITIES, Resource
from .names import words
from .nested import carried, last_word, walked
from .read import COMMAND_KEYS, STATEMENT_KEYS

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from .nested import Place

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
        "repo": "repo",
        "repository": "repo",
        "branch": "ref",
        "ref": "ref",
        "base": "ref",
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
    "repo",
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
    """The language of a call's arguments, by the words of tool and argument: `shell`, `sql`,
    `github` (a repository as `owner` and `repo`), or empty where there is none.
    """
    if "sql" in params:
        return "sql"
    said = set(words(name))
    if said & _SHELLS and any(key in params for key in COMMAND_KEYS):
        return "shell"
    if said & _DATABASES and any(key in params for key in STATEMENT_KEYS):
        return "sql"
    if isinstance(params.get("owner"), str) and isinstance(params.get("repo"), str):
        return "github"
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
    guesses: bool = False,
    target: str = "",
    declared: Container[str] | None = None,
) -> Named:
    """What a call acts on: by `kinds` where they are given, else by what the arguments are called.

    `kinds` maps arguments (`files.path` for those within others) to a kind, with a verb before it
    where that is not the call's (`read ref`); an empty kind names nothing. With `guesses`, the
    arguments that `kinds` does not have are guessed at. What nothing is said of, within an argument
    that has a kind, is of that kind.

    The target is what the argument `target` names; else the first resource of `kinds`, or (where
    is guessed) of the most telling kind. `owner` and `repo` are joined as `owner/repo`. A URL names
    its host, too. `declared` holds the arguments the tool declares: another one gives no certain
    target where a declared one would give one, too.
    """
    found = _Found(verb, kinds or {}, guesses or not kinds)
    walk = walked(params)
    if walk.beyond:
        found.doubts(walk.beyond)
    for place in walk.places:
        found.take(place, params)
    if target:
        return found.aimed([p.value for p in walk.places if p.names[0] == target], target)
    named = dict.fromkeys(_split(kind, "")[1] for kind in found.kinds.values())
    return found.guessed(_ORDER if found.guesses else tuple(named), declared)


def mappings(params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The arguments and every mapping within them, at most RESOURCES_MAX."""
    found = {id(params): params}
    for place in walked(params).places:
        if len(found) < RESOURCES_MAX:
            found[id(place.around)] = place.around
    return list(found.values())


def _owned(repository: str, *around: Mapping[str, Any]) -> str:
    owner = next((found for each in around if isinstance(found := each.get("owner"), str)), "")
    return f"{owner}/{repository}" if owner and "/" not in repository else repository


def _split(kind: str, verb: str) -> tuple[str, str]:
    """Verb and kind of `[verb ]kind`."""
    first, _, rest = kind.partition(" ")
    return (first, rest) if rest and first in CAPABILITIES else (verb, kind)


class _Found:
    """Collects the resources of one call, and why they are not certain."""

    def __init__(self, verb: str, kinds: Mapping[str, str], guesses: bool) -> None:
        self.resources: dict[Resource, None] = {}
        self.unclear = ""
        self.kinds = kinds
        self.guesses = guesses
        self._verb = verb
        self._said: list[tuple[str, str, str]] = []

    def take(self, place: Place, params: Mapping[str, Any]) -> None:
        """One value; what is no text is not passed over in silence."""
        names, value, around = place
        kind, inherited = self._kind(names)
        if not kind or value is None or value == "":
            return
        text = value if isinstance(value, str) else ""
        if inherited and not text and any(last_word(str(name)) in KINDS for name in around):
            return  # `mode` beside `path`
        if inherited or not text:
            self.doubts(f"`{names[0][:80]}` is neither a text nor a list of texts")
        if text:
            verb, kind = _split(kind, self._verb)
            name = _owned(text, around, params) if kind == "repo" else text
            self.add(names[0], Resource(kind, name, verb))

    def _kind(self, names: tuple[str, ...]) -> tuple[str, bool]:
        """The kind of what a value names (empty: none), and whether that is said of what it stands
        in.
        """
        for end in range(len(names), 0, -1):
            kind = self.kinds.get(".".join(names[:end]))
            if kind is None and self.guesses:
                kind = KINDS.get(names[end - 1]) or KINDS.get(last_word(names[end - 1]))
            if kind is not None:
                return kind, end < len(names)
            if end == len(names) and carried(names):
                break
        return "", False

    def add(self, argument: str, resource: Resource) -> None:
        host = _host(resource.name) if resource.kind == "url" else ""
        beside = (Resource("host", host, resource.verb),) if host else ()
        for each in (resource, *beside):
            if each in self.resources:
                continue
            if len(self.resources) >= RESOURCES_MAX:
                self.doubts(f"it names more than {RESOURCES_MAX} resources")
                return
            self.resources[each] = None
        self._said.append((argument, resource.kind, resource.name))

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

    def aimed(self, values: list[Any], argument: str) -> Named:
        """With what one argument names as target."""
        texts = dict.fromkeys(value for value in values if isinstance(value, str) and value)
        if len(texts) > 1:
            self.doubts(f"`{argument}` names more than one target")
        if any(value is not None and not isinstance(value, str) for value in values):
            self.doubts(f"`{argument}` is neither a text nor a list of texts")
        return Named(next(iter(texts), ""), tuple(self.resources), self.unclear)

    def doubts(self, reason: str) -> None:
        """The first reason stands."""
        self.unclear = self.unclear or reason


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
