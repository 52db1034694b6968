"""Environment variables over the configuration: `AEGIS__SERVER__PORT=9000`.

Two underscores separate the parts of a key. A variable that names no key is refused, because a
misspelt override that silently does nothing is worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec.inspect as shape

from ..model import ConfigError, Problem
from ..policy.source import Node, parse_yaml, resolved
from .settings import Settings
from .typed import Path, bare, dotted, shown, suggestion, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "AEGIS__"

VARIABLES_MAX = 1_000
"""Most overrides; more than every key of a large configuration."""

VALUE_MAX = 65_536
"""Longest value of one variable, in characters."""


class _Unfit(Exception):
    """A variable names no key: what is wrong, and a hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def apply(root: Node, env: Mapping[str, str]) -> dict[Path, str]:
    """Write the overrides into a document; returns path → the variable it came from.

    Raises ConfigError with one problem per variable that names no key or whose value cannot be
    read. Whether a value fits its key is checked with the rest of the document.
    """
    names = [name for name in env if name.upper().startswith(PREFIX)]
    if len(names) > VARIABLES_MAX:
        raise ConfigError(f"more than {VARIABLES_MAX} variables begin with `{PREFIX}`")
    problems: list[Problem] = []
    places: dict[Path, str] = {}
    # whole sections before single keys in them, whatever the order in the environment
    for name in sorted(names, key=lambda name: (name.count("__"), name)):
        try:
            path, type_ = _path(name, root)
            if path in places:
                raise _Unfit(f"says the same as `{places[path]}`", "unset one of them")
            _put(root, path, _node(name, env[name], type_))
            places[path] = shown(name)
        except _Unfit as unfit:
            problems.append(Problem(unfit.message, source=shown(name), hint=unfit.hint))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return places


def _path(name: str, root: Node) -> tuple[Path, shape.Type]:
    type_: shape.Type = type_of(Settings)
    node: Node | None = root
    path: tuple[str, ...] = ()
    for part in name[len(PREFIX) :].split("__"):
        word = part.lower()
        if isinstance(type_, shape.StructType):
            fields = {field.name: field.type for field in type_.fields}
            if word not in fields:
                raise _Unfit(
                    f"there is no key `{dotted((*path, word))}`", _near(path, word, fields)
                )
            type_, key = fields[word], word
        elif isinstance(type_, shape.DictType) and word:
            key = _key(word, node)
            _check_key(type_, key, path)
            type_ = type_.value_type
        elif path == ("policy",) and word == "path":
            type_, key = shape.StrType(), word
        elif isinstance(type_, shape.AnyType):
            raise _Unfit(
                f"`{dotted(path)}` is not set piece by piece",
                "put rules into a file and set AEGIS__POLICY__PATH to it",
            )
        else:
            raise _Unfit(f"`{dotted(path)}` has no key `{shown(word)}`")
        type_ = bare(type_)
        path = (*path, key)
        below = node.value if node is not None else None
        node = below.get(key) if isinstance(below, dict) else None
    if isinstance(type_, shape.StructType):
        keys = ", ".join(field.name for field in type_.fields)
        raise _Unfit(f"`{dotted(path)}` is a section", f"name one of its keys: {keys}")
    if isinstance(type_, shape.AnyType) and len(path) == 1:
        raise _Unfit(
            f"`{path[0]}` is not set by a variable",
            "put rules into a file and set AEGIS__POLICY__PATH to it",
        )
    return path, type_


def _near(path: tuple[str, ...], word: str, fields: Mapping[str, Any]) -> str:
    hint = suggestion(word[:80], fields)
    if not hint.startswith("did you mean"):
        return hint
    meant = hint.split("`")[1]
    return f"did you mean `{PREFIX}{'__'.join((*path, meant)).upper()}`?"


def _key(word: str, node: Node | None) -> str:
    """A name the document spells its own way (`my-provider`), or the word itself."""
    if node is not None and isinstance(node.value, dict):
        for key in node.value:
            if key.lower().replace("-", "_") == word:
                return str(key)
    return word


def _check_key(type_: shape.DictType, key: str, path: Path) -> None:
    names = bare(type_.key_type)
    if isinstance(names, shape.LiteralType) and key not in names.values:
        raise _Unfit(
            f"there is no key `{dotted((*path, key))}`",
            suggestion(key, map(str, names.values)),
        )


def _node(name: str, text: str, type_: shape.Type) -> Node:
    if len(text) > VALUE_MAX:
        raise _Unfit(f"value longer than {VALUE_MAX} characters")
    if isinstance(type_, (shape.StrType, shape.LiteralType)):
        return Node(text)
    if isinstance(type_, (shape.BoolType, shape.IntType, shape.FloatType)):
        try:
            return Node(resolved(text.strip()))
        except ValueError as error:
            raise _Unfit(str(error)) from None
    return parse_yaml(text, shown(name))


def _put(root: Node, path: Path, value: Node) -> None:
    node = root
    for part in path[:-1]:
        if node.value is None:
            node.value = {}
        if not isinstance(node.value, dict):
            return  # the document is wrong here already, and its reader says so
        node = node.value.setdefault(str(part), Node(None, node.line, node.column))
    if node.value is None:
        node.value = {}
    if isinstance(node.value, dict):
        node.value[str(path[-1])] = value
