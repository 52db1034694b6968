"""What the tools of common MCP servers do and act on: one YAML file a server.

A file maps tools to facts: `capability` is what a call does, `resources` says which arguments name
something and of which kind, `reads` is the language of a text among them. Arguments within others
are written with dots (`files.path`), lists need no sign of their own. A kind may say how it is
touched (`read ref`); an empty one names nothing, whatever the argument is called.

Arguments that no fact names are guessed at (`aegis.tools.arguments`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

from ...model import Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Name = Literal[
    "everything",
    "fetch",
    "filesystem",
    "git",
    "github",
    "memory",
    "playwright",
    "postgres",
    "puppeteer",
    "slack",
    "sqlite",
    "time",
]
"""The servers that are described."""

IDENTITIES: Mapping[str, str] = MappingProxyType(
    {
        "example-servers/everything": "everything",
        "example-servers/postgres": "postgres",
        "example-servers/puppeteer": "puppeteer",
        "github-mcp-server": "github",
        "mcp-fetch": "fetch",
        "mcp-git": "git",
        "mcp-servers/everything": "everything",
        "mcp-time": "time",
        "memory-server": "memory",
        "Playwright": "playwright",
        "secure-filesystem-server": "filesystem",
        "Slack MCP Server": "slack",
        "sqlite": "sqlite",
    }
)
"""What a server calls itself (`serverInfo.name`) → its file."""

PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "@modelcontextprotocol/server-everything": "everything",
        "@modelcontextprotocol/server-filesystem": "filesystem",
        "@modelcontextprotocol/server-github": "github",
        "@modelcontextprotocol/server-memory": "memory",
        "@modelcontextprotocol/server-postgres": "postgres",
        "@modelcontextprotocol/server-puppeteer": "puppeteer",
        "@modelcontextprotocol/server-slack": "slack",
        "@playwright/mcp": "playwright",
        "api.githubcopilot.com": "github",
        "ghcr.io/github/github-mcp-server": "github",
        "github-mcp-server": "github",
        "mcp-server-fetch": "fetch",
        "mcp-server-filesystem": "filesystem",
        "mcp-server-git": "git",
        "mcp-server-memory": "memory",
        "mcp-server-playwright": "playwright",
        "mcp-server-sqlite": "sqlite",
        "mcp-server-time": "time",
    }
)
"""Package, program, image or host of a server → its file."""


class ToolFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one tool does and acts on. Empty fields say nothing."""

    capability: Literal["", "read", "write", "delete", "deploy", "approve", "execute"] = ""
    resources: dict[str, str] = {}
    reads: Literal["", "shell", "sql", "git", "http"] = ""


_FACTS = Prepared(dict[str, ToolFact])


@cache
def tools_of(name: str) -> Mapping[str, ToolFact]:
    """The tools of one server (see Name)."""
    from ruamel.yaml import YAML

    text = files(__name__).joinpath(f"{name}.yaml").read_text("utf-8")
    return _FACTS.convert(YAML(typ="safe", pure=True).load(text))


def named_in(words: Iterable[str]) -> str:
    """The server that a command line starts, or that a host is; empty where it is none of them.

    The first word that is a package or program of PACKAGES counts, with or without version.
    """
    for word in words:
        found = PACKAGES.get(_bare(word))
        if found is not None:
            return found
    return ""


def _bare(word: str) -> str:
    """A package, image or program without folder, version and tag."""
    word = word.replace("\\", "/").rpartition("node_modules/")[2]
    if word.startswith("@"):
        scope, _, rest = word.partition("/")
        return f"{scope}/{rest.partition('/')[0].partition('@')[0]}"
    if word.startswith("ghcr.io/"):
        return word.partition("@")[0].partition(":")[0]
    name = word.rpartition("/")[2].partition("@")[0].partition("==")[0]
    return name.removesuffix(".exe").removesuffix(".cmd").replace("_", "-")
