"""The sections `credentials` and `tickets`: which actions are performed with which credential, and
which need a ticket.

A grant matches the names of an action as policy rules do. What an agent wrote reaches a broker
only through `{target}` and the like in a scope, and only where it is a plain name: nothing that
could be a wildcard, a path upwards or another field.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import CallerError, LedgerError
from ..plugin.broker import Context
from ..policy.fold import NAME_MAX, fold
from ..policy.glob import Glob, GlobError, separators
from . import options
from .options import below

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Action
    from ..policy.source import Node
    from .settings import CredentialGrant, Credentials, Settings
    from .typed import Path as Place
    from .typed import Reader

PLACE = "credentials.brokers"

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@-]{0,199}")
"""What an action's word may look like to stand in a scope."""

_WORD = re.compile(r"\{([a-z_]+)\}")


class Matching:
    """Globs over the names of actions, ready to be matched."""

    __slots__ = ("_globs",)

    def __init__(self, patterns: Mapping[Any, str]) -> None:
        """Raises GlobError."""
        self._globs = {
            field: {stops: Glob(text, stops) for stops in ("", "/", "./")}
            for field, text in patterns.items()
        }

    def matches(self, action: Action) -> bool:
        """Whether every name it gives matches."""
        for field, globs in self._globs.items():
            name = action.actor.agent if field == "agent" else getattr(action, field)
            glob = globs[separators(field, action.protocol)]
            if len(name) > NAME_MAX or not glob.matches(fold(name)):
                return False
        return True


class Grants:
    """The grants of a configuration; the first that matches counts."""

    def __init__(self, settings: Credentials) -> None:
        self._grants = tuple((Matching(each.match), each) for each in settings.grants)

    def find(self, action: Action) -> CredentialGrant | None:
        """The grant of an action; None where it needs no credential."""
        for matching, grant in self._grants:
            if matching.matches(action):
                return grant
        return None


def grants_of(settings: Credentials) -> Grants | None:
    """The grants of a configuration; None where it has none, so that nobody asks for them."""
    return Grants(settings) if settings.grants else None


def scoped(scope: Any, action: Action) -> Any:
    """A scope with the action's words filled in. Raises CallerError for words that are not plain
    names, and for those there are not.
    """
    if isinstance(scope, dict):
        return {key: scoped(value, action) for key, value in scope.items()}
    if isinstance(scope, list):
        return [scoped(value, action) for value in scope]
    return (
        _WORD.sub(lambda found: _word(found[1], action), scope) if isinstance(scope, str) else scope
    )


def _word(name: str, action: Action) -> str:
    words = {
        "agent": action.actor.agent,
        "capability": action.capability,
        "environment": action.environment,
        "repository": "/".join(action.target.split("/")[-2:]),
        "target": action.target,
        "tenant": action.actor.tenant,
        "type": action.type,
    }
    word = words.get(name)
    if word is None:
        raise CallerError(f"a scope knows no `{{{name}}}`; it knows {', '.join(sorted(words))}")
    if not SAFE.fullmatch(word) or ".." in word:
        raise CallerError(f"the action's {name} is no plain name, so no credential is made for it")
    return word


def filled(text: str, fields: Mapping[str, str]) -> str:
    """A header or variable with the fields of a credential filled in. Raises CallerError for a
    field the credential does not have.
    """

    def field(found: re.Match[str]) -> str:
        if found[1] not in fields:
            raise CallerError(f"the credential has no `{found[1]}`; it has {', '.join(fields)}")
        return fields[found[1]]

    return _WORD.sub(field, text)


def check_credentials(root: Node, reader: Reader) -> None:
    """Complain about brokers that are no plugins, options they do not take, and grants that name
    no broker or match nothing.
    """
    section = below(root, "credentials")
    node = below(section, "brokers")
    brokers: dict[str, Node] = node.value if node and isinstance(node.value, dict) else {}
    for name, item in brokers.items():
        where = node.keys.get(name, item) if node else item
        if isinstance(item.value, dict):
            options.check(reader, "broker", ("credentials", "brokers", name), item, where)
    for index, grant in enumerate(_items(below(section, "grants"))):
        path: Place = ("credentials", "grants", index)
        _check_grant(reader, path, grant, brokers)


def _check_grant(reader: Reader, path: Place, grant: Node, brokers: Mapping[str, Node]) -> None:
    broker = below(grant, "broker")
    if broker is not None and isinstance(broker.value, str) and broker.value not in brokers:
        message = f"there is no broker `{broker.value[:40]}`"
        reader.complain((*path, "broker"), broker, message)
    match = below(grant, "match")
    if match is not None and match.value == {}:
        hint = "write for example `{ type: github.*, target: acme/* }`"
        reader.complain((*path, "match"), match, "an empty match would lend to every action", hint)
    if match is not None:
        _check_globs(reader, (*path, "match"), match)


def _check_globs(reader: Reader, path: Place, match: Node) -> None:
    patterns = match.value if isinstance(match.value, dict) else {}
    for field, item in patterns.items():
        try:
            Glob(item.value if isinstance(item.value, str) else "")
        except GlobError as error:
            reader.complain((*path, field), item, str(error))


def check_tickets(root: Node, reader: Reader) -> None:
    """Complain about issuers that are no keys, and matches that match nothing or everything."""
    section = below(root, "tickets")
    for index, item in enumerate(_items(below(section, "issuers"))):
        # imported here: with it comes cryptography, which few configurations need to be read
        from ..ledger.checkpoint import Identity

        try:
            Identity.parse(item.value if isinstance(item.value, str) else "")
        except LedgerError as error:
            hint = "`aegis ticket key` prints the key of a home"
            reader.complain(("tickets", "issuers", index), item, str(error), hint)
    for index, item in enumerate(_items(below(section, "require"))):
        path: Place = ("tickets", "require", index)
        if item.value == {}:
            reader.complain(path, item, "an empty match would ask every action for a ticket")
        _check_globs(reader, path, item)


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def build_brokers(settings: Settings) -> dict[str, Any]:
    """The brokers of a configuration, by name. Raises ConfigError, PluginError."""
    home = Path(settings.home)
    return {
        name: options.build("broker", PLACE, name, given, Context(name, home))
        for name, given in settings.credentials.brokers.items()
    }


def plain(scope: Any) -> Any:
    """A scope as records keep it: JSON-like, whatever mapping it came as."""
    return msgspec.to_builtins(dict(scope))
