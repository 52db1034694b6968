"""The section `approvals.channels`: checked against what each approver takes, and built from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import ConfigError, PluginError
from ..plugin.channel import Context
from ..policy.source import Node
from . import discover
from .people import People

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..plugin.contracts import Approver, Channel
    from .links import Links
    from .settings import Approvals
    from .typed import Path, Reader

TYPE = "type"
"""The option that names the plugin of a channel whose name is not the plugin's."""

CHANNELS_MAX = 16
"""Most channels: each has a thread."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""What a channel may be called: its name is part of the address its callbacks come to."""


def spell_out(root: Node) -> None:
    """Write `channels: [notice]` as the mapping it is short for."""
    section = _below(root, "approvals")
    node = _below(section, "channels")
    if node is None or not isinstance(node.value, list):
        return
    if all(isinstance(item.value, str) for item in node.value):
        node.keys = {item.value: item for item in node.value}
        node.value = {item.value: Node({}, item.line, item.column) for item in node.value}


def check_channels(root: Node, reader: Reader) -> None:
    """Complain about channels that are no plugins, and options they do not take."""
    section = _below(root, "approvals")
    node = _below(section, "channels")
    url = _below(section, "public_url")
    channels: dict[str, Node] = node.value if node and isinstance(node.value, dict) else {}
    path: Path = ("approvals", "channels")
    if node is not None and len(channels) > CHANNELS_MAX:
        reader.complain(path, node, f"more than {CHANNELS_MAX} channels")
    for name, below in channels.items():
        where = node.keys.get(name, below) if node else below
        if not _NAME.fullmatch(name):
            message = "a channel is called by lower-case letters, digits, `-` and `_`"
            reader.complain((*path, name), where, message)
        elif isinstance(below.value, dict):
            _check(reader, name, below, where, url.value if url is not None else "")
    named = _below(section, "escalate_to")
    for index, item in enumerate(named.value if named and isinstance(named.value, list) else ()):
        if isinstance(item.value, str) and item.value not in channels:
            message = f"there is no channel `{item.value[:40]}`"
            reader.complain(("approvals", "escalate_to", index), item, message)


def _check(reader: Reader, name: str, node: Node, where: Node, public_url: object) -> None:
    path: Path = ("approvals", "channels", name)
    kind = node.value.get(TYPE)
    plugin = kind.value if kind is not None else name
    try:
        made = discover.load("approver", plugin if isinstance(plugin, str) else "")
    except PluginError as error:
        reader.complain(path, kind or where, str(error))
        return
    if getattr(made, "needs_links", False) and not public_url:
        hint = "say where people reach the gateway, such as `https://aegis.example`"
        reader.complain(path, where, "sends links, which need `approvals.public_url`", hint)
    options = Node(
        {key: item for key, item in node.value.items() if key != TYPE}, where.line, where.column
    )
    options.keys = node.keys
    try:
        reader.check(settings_of(made), options, path)
    except PluginError as error:
        reader.complain(path, where, str(error))


def settings_of(made: Any) -> type[msgspec.Struct]:
    """The class of an approver's options. Raises PluginError where it has none."""
    settings = getattr(made, "Settings", None)
    if not isinstance(settings, type) or not issubclass(settings, msgspec.Struct):
        raise PluginError(
            f"approver `{made.__module__}.{made.__qualname__}` has no `Settings`: the msgspec "
            "Struct of its options"
        )
    return settings


def _below(node: Node | None, key: str) -> Node | None:
    if node is None or not isinstance(node.value, dict):
        return None
    below: Node | None = node.value.get(key)
    return below


def build_channels(settings: Approvals, links: Links) -> dict[str, Approver | Channel]:
    """The channels of a configuration, by name. Raises ConfigError, PluginError."""
    people = People(settings.approvers)
    return {
        name: _built(name, options, people.on(name), links)
        for name, options in settings.channels.items()
    }


def _built(
    name: str, options: Mapping[str, Any], people: Mapping[str, str], links: Links
) -> Approver | Channel:
    made = discover.load("approver", options.get(TYPE, name))
    given = {key: value for key, value in options.items() if key != TYPE}
    context = Context(name, people, lambda request, person: links.make(request, name, person))
    try:
        approver: Approver | Channel = made(msgspec.convert(given, settings_of(made)), context)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"approvals.channels.{name}: {error}") from error
    return approver
