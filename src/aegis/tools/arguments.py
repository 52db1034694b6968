"""What a call acts on, by the names of its arguments.

A tool whose arguments nobody declared still says much by what it calls them: `path`, `url`,
`repo`, `table`. This is a guess; it adds facts a policy may match, and takes none away.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..model import Resource
from .names import words
from .read import COMMAND_KEYS, STATEMENT_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOURCES_MAX = 64
"""Most resources named for one call; a call on more is known by the first ones."""

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


def inferred(params: Mapping[str, Any], verb: str) -> tuple[str, tuple[Resource, ...]]:
    """The target and the resources that a call's arguments suggest.

    The target is the first resource of the most telling kind; `owner` and `repo` are joined as
    `owner/repo`. A URL names its host, too.
    """
    found: list[Resource] = []
    owner = params.get("owner")
    for name, value in params.items():
        kind = KINDS.get(_last_word(name))
        if kind is None:
            continue
        for text in _texts(value):
            if kind == "repository" and isinstance(owner, str) and owner and "/" not in text:
                text = f"{owner}/{text}"
            found.append(Resource(kind, text, verb))
            host = _host(text) if kind == "url" else ""
            if host:
                found.append(Resource("host", host, verb))
            if len(found) >= RESOURCES_MAX:
                break
    for kind in _ORDER:
        for resource in found:
            if resource.kind == kind:
                return resource.name, tuple(found)
    return "", tuple(found)


def _last_word(name: str) -> str:
    if name in KINDS:
        return name
    found = words(name)
    return found[-1] if found else ""


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, (list, tuple)):
        return [item for item in value[:RESOURCES_MAX] if isinstance(item, str) and item]
    return []


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
