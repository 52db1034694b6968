"""The catalogue of common MCP servers."""

from typing import get_args

import pytest

from aegis.tools.arguments import KINDS
from aegis.tools.catalogue import IDENTITIES, PACKAGES, Name, named_in, tools_of

MORE = {"account", "ci", "entity", ""}
"""Kinds that no argument's name says, and the sign that an argument names nothing."""


@pytest.mark.parametrize("name", get_args(Name))
def test_an_entry_can_be_read_and_used(name):
    tools = tools_of(name)
    assert tools
    assert name in IDENTITIES.values()
    assert name in PACKAGES.values()
    for tool, fact in tools.items():
        assert fact.capability, tool
        for path, kind in fact.resources.items():
            assert kind.rpartition(" ")[2] in {*KINDS.values(), *MORE}, (tool, path)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("npx -y @modelcontextprotocol/server-filesystem /srv", "filesystem"),
        ("npx -y @modelcontextprotocol/server-filesystem@2026.1.0 /srv", "filesystem"),
        ("node /x/node_modules/@modelcontextprotocol/server-memory/dist/index.js", "memory"),
        ("uvx mcp-server-git --repository /srv", "git"),
        ("uvx mcp-server-fetch@2026.10.1", "fetch"),
        ("python -m mcp_server_time", "time"),
        ("docker run -i ghcr.io/github/github-mcp-server:v1", "github"),
        ("/usr/bin/github-mcp-server stdio", "github"),
        ("C:\\bin\\github-mcp-server.exe stdio", "github"),
        ("my-server --like @evil/server-filesystem", ""),
        ("my-mcp-server-git", ""),
        ("", ""),
    ],
)
def test_a_server_is_known_by_what_starts_it(command, name):
    assert named_in(command.split(" ")) == name


def test_the_first_word_counts():
    assert named_in(["mcp-server-git", "/srv/mcp-server-fetch"]) == "git"
    assert named_in(["api.githubcopilot.com"]) == "github"
