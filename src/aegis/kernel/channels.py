"""The section `approvals.channels`: checked against what each approver takes, and built from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..plugin.channel import Context
from ..policy.source import Node
from . import options
from .options import below
from .people import KEY_CHANNEL, People

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..plugin.contracts import Approver, Channel
    from .links import Links
    from .settings import Approvals
    from .typed import Path, Reader

CHANNELS_MAX = 16
"""Most channels: each has a thread."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""What a channel may be called: its name is part of the address its callbacks come to."""


def spell_out(root: Node) -> None:
    """Write `channels: [notice]` as the mapping it is short for."""
    section = below(root, "approvals")
    node = below(section, "channels")
    if node is None or not isinstance(node.value, list):
        return
    if all(isinstance(item.value, str) for item in node.value):
        node.keys = {item.value: item for item in node.value}
        node.value = {item.value: Node({}, item.line, item.column) for item in node.value}


def check_channels(root: Node, reader: Reader) -> None:
    """Complain about channels that are no plugins, and options they do not take."""
    section = below(root, "approvals")
    node = below(section, "channels")
    url = below(section, "public_url")
    channels: dict[str, Node] = node.value if node and isinstance(node.value, dict) else {}
    path: Path = ("approvals", "channels")
    if node is not None and len(channels) > CHANNELS_MAX:
        reader.complain(path, node, f"more than {CHANNELS_MAX} channels")
    for name, item in channels.items():
        where = node.keys.get(name, item) if node else item
        if not _NAME.fullmatch(name):
            message = "a channel is called by lower-case letters, digits, `-` and `_`"
            reader.complain((*path, name), where, message)
        elif isinstance(item.value, dict):
            _check(reader, name, item, where, url.value if url is not None else "")
    _check_people(section, reader, {*channels, KEY_CHANNEL})
    named = below(section, "escalate_to")
    late = below(section, "escalate_seconds")
    if (named is None or not named.value) != (late is None or not late.value):
        message = "`escalate_seconds` and `escalate_to` have an effect together only"
        reader.complain(("approvals",), named or late or root, message)
    later = named.value if named and isinstance(named.value, list) else ()
    for index, item in enumerate(later):
        if isinstance(item.value, str) and item.value not in channels:
            message = f"there is no channel `{item.value[:40]}`"
            reader.complain(("approvals", "escalate_to", index), item, message)


def _check(reader: Reader, name: str, node: Node, where: Node, public_url: object) -> None:
    path: Path = ("approvals", "channels", name)
    made = options.check(reader, "approver", path, node, where)
    if getattr(made, "needs_links", False) and not public_url:
        hint = "say where people reach the gateway, such as `https://aegis.example`"
        reader.complain(path, where, "sends links, which need `approvals.public_url`", hint)


def _check_people(section: Node | None, reader: Reader, channels: set[str]) -> None:
    """Complain about people who are linked to a channel there is not."""
    people = below(section, "approvers")
    for person, users in (
        people.value if people and isinstance(people.value, dict) else {}
    ).items():
        for channel in users.value if isinstance(users.value, dict) else ():
            if channel not in channels:
                where = users.keys.get(channel, users)
                hint = f"known here: {', '.join(sorted(channels))}"
                message = f"there is no channel `{channel[:40]}`"
                reader.complain(("approvals", "approvers", person, channel), where, message, hint)


def build_channels(settings: Approvals, links: Links) -> dict[str, Approver | Channel]:
    """The channels of a configuration, by name. Raises ConfigError, PluginError."""
    people = People(settings.approvers)
    return {
        name: _built(name, given, people.on(name), links)
        for name, given in settings.channels.items()
    }


def _built(
    name: str, given: Mapping[str, Any], people: Mapping[str, str], links: Links
) -> Approver | Channel:
    context = Context(
        name,
        people,
        lambda request, person: links.make(request, name, person),
        lambda approval, person: links.word(approval, name, person),
    )
    built: Approver | Channel = options.build(
        "approver", "approvals.channels", name, given, context
    )
    return built
