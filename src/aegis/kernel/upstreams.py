"""What the field table cannot say of MCP upstreams: their names, how each is reached, and that a
file of their own may stand for a whole configuration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..policy.source import Node
from .mcp_settings import Mcp

if TYPE_CHECKING:
    from .typed import Path, Reader

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}")
"""Names of upstreams: no underscore, since two of them end the name in `NAME__tool`."""

ADDRESSES = ("http://", "https://", "secret://")
"""How the address of an upstream begins."""


def lifted(root: Node) -> Node:
    """The document with the keys of its `mcp` section there, where they stand at its top: a file
    with `upstreams` (and `policy`) is a configuration, too.
    """
    top = root.value
    if not isinstance(top, dict) or "mcp" in top or "upstreams" not in top:
        return root
    place = root.keys["upstreams"]
    section = Node({name: top.pop(name) for name in _OWN if name in top}, place.line, place.column)
    section.keys = {name: root.keys[name] for name in section.value}
    top["mcp"] = section
    return root


_OWN = Mcp.__struct_fields__


def check(root: Node, reader: Reader) -> None:
    """Complain about upstreams that have no usable name, or not one way to be reached."""
    section = root.value.get("mcp") if isinstance(root.value, dict) else None
    found = section.value if section is not None else None
    if not isinstance(found, dict):
        return
    if "oauth" in found:
        _oauth(found["oauth"], reader)
    upstreams = found.get("upstreams")
    if upstreams is None or not isinstance(upstreams.value, dict):
        return
    for name, node in upstreams.value.items():
        path: Path = ("mcp", "upstreams", name)
        if not NAME.fullmatch(name):
            hint = "use at most 40 letters, digits, `.` and `-`"
            reader.complain(path, upstreams.keys[name], "is no name for an MCP server", hint)
        if isinstance(node.value, dict):
            _reached(path, node, reader)


def _reached(path: Path, node: Node, reader: Reader) -> None:
    fields = node.value
    given = [key for key in ("command", "url", "builtin") if key in fields]
    if len(given) != 1:
        reader.complain(path, node, "has to have either `command`, `url` or `builtin`")
        return
    place = fields[given[0]]
    if given == ["builtin"]:
        for key in _REACHING:
            if key in fields:
                reader.complain((*path, key), fields[key], f"`{key}` does not go with `builtin`")
        if (place.value == "sql") != ("database" in fields):
            reader.complain(path, node, "`builtin: sql` and `database` go together")
        return
    if "database" in fields:
        reader.complain((*path, "database"), fields["database"], "goes with `builtin: sql`")
    if given == ["url"] and isinstance(place.value, str) and not place.value.startswith(ADDRESSES):
        reader.complain((*path, "url"), place, "has to begin with http:// or https://")
    transport = fields.get("transport")
    fitting = ("stdio",) if given == ["command"] else ("http", "sse")
    known = transport is not None and transport.value in ("stdio", "http", "sse")
    if transport is not None and known and transport.value not in fitting:
        message = f"`{transport.value}` does not go with `{given[0]}`"
        reader.complain((*path, "transport"), transport, message)


_REACHING = ("args", "env", "headers", "transport", "catalogue")
"""Keys about reaching a server that is no part of Aegis."""


def _oauth(node: Node, reader: Reader) -> None:
    """That tokens can be checked: for whom they are, and with keys nobody could have replaced."""
    fields = node.value if isinstance(node.value, dict) else {}
    if "issuer" in fields and "resource" not in fields:
        reader.complain(("mcp", "oauth"), node, "needs `resource`: tokens have to be for somebody")
    for key in ("issuer", "resource", "jwks_url"):
        place = fields.get(key)
        if place is not None and isinstance(place.value, str) and not _private(place.value):
            message = "has to begin with https:// (http:// only on this machine)"
            reader.complain(("mcp", "oauth", key), place, message)


def _private(address: str) -> bool:
    if address.startswith(("https://", "secret://")) or not address:
        return True
    try:
        return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        return False
