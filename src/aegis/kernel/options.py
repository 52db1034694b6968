"""Options of plugins that the configuration names: each plugin says itself what it takes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import ConfigError, PluginError
from ..policy.source import Node
from . import discover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .typed import Path, Reader

TYPE = "type"
"""The option that names the plugin of an entry whose name is not the plugin's."""

_PREPARING = threading.Lock()
"""Held while options are read: their types are known only now (see `model/prepared.py`)."""


def check(reader: Reader, kind: str, path: Path, node: Node, where: Node) -> Any:
    """The plugin of an entry at a path, its options checked; None after a complaint."""
    named = node.value.get(TYPE)
    plugin = named.value if named is not None else path[-1]
    try:
        made = discover.load(kind, plugin if isinstance(plugin, str) else "")
        settings = settings_of(made)
    except PluginError as error:
        reader.complain(path, named or where, str(error))
        return None
    given = {key: item for key, item in node.value.items() if key != TYPE}
    options = Node(given, where.line, where.column)
    options.keys = node.keys
    reader.check(settings, options, path)
    return made


def build(kind: str, place: str, name: str, options: Mapping[str, Any], context: Any) -> Any:
    """The plugin of an entry, built of its options and what it is given besides.

    Raises ConfigError, PluginError.
    """
    made = discover.load(kind, options.get(TYPE, name))
    given = {key: value for key, value in options.items() if key != TYPE}
    try:
        with _PREPARING:
            settings = msgspec.convert(given, settings_of(made))
        return made(settings, context)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}.{name}: {error}") from error


def settings_of(made: Any) -> type[msgspec.Struct]:
    """The class of a plugin's options. Raises PluginError where it has none."""
    settings = getattr(made, "Settings", None)
    if not isinstance(settings, type) or not issubclass(settings, msgspec.Struct):
        raise PluginError(
            f"`{made.__module__}.{made.__qualname__}` has no `Settings`: the msgspec Struct of "
            "its options"
        )
    return settings


def below(node: Node | None, key: str) -> Node | None:
    """The node of a key in a mapping; None where there is none."""
    if node is None or not isinstance(node.value, dict):
        return None
    found: Node | None = node.value.get(key)
    return found
