"""The configuration of `aegis mcp`: an aegis.yaml with an `mcp` section, or a file of its own with
`upstreams` and `policy` at its top.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..kernel.config import Loaded
    from ..policy.source import Node


def found(config: Path | None, *, resolve: bool = True) -> Loaded:
    """The configuration of a file. Raises ConfigError with every problem."""
    from ..kernel import config as configuration

    if config is None:
        return home.loaded(None, resolve=resolve)
    path = Path(config)
    root = configuration.read(configuration.read_text(path), str(path))
    return configuration.parse(
        _lifted(root), str(path), env=os.environ, base=path.parent, resolve=resolve
    )


def with_upstream(loaded: Loaded, name: str, command: Sequence[str]) -> Loaded:
    """A configuration whose only upstream is a command, which gets this process' variables."""
    from ..kernel.settings import McpUpstream

    env = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS")}
    upstream = McpUpstream(command[0], tuple(command[1:]), env)
    mcp = msgspec.structs.replace(loaded.settings.mcp, upstreams={name: upstream})
    settings = msgspec.structs.replace(loaded.settings, mcp=mcp)
    return msgspec.structs.replace(loaded, settings=settings)


def _lifted(root: Node) -> Node:
    """The document with the keys of its `mcp` section there, where they stand at its top."""
    from ..kernel.settings import Mcp
    from ..policy.source import Node

    top = root.value
    if not isinstance(top, dict) or "mcp" in top or "upstreams" not in top:
        return root
    own = {name: top.pop(name) for name in Mcp.__struct_fields__ if name in top}
    section = Node(own, root.keys["upstreams"].line, root.keys["upstreams"].column)
    section.keys = {name: root.keys[name] for name in own}
    top["mcp"] = section
    return root
