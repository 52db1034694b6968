"""The `mcp` section of `aegis.yaml` (see `settings.py`)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..tools.catalogue import Name
from .meaning import DAY, about


class McpTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one tool does to the world, where its name and arguments do not say it themselves."""

    capability: Annotated[
        Literal["", "read", "write", "delete", "deploy", "approve", "execute"],
        about("what it does; empty means judged by its name"),
    ] = ""
    target: Annotated[str, about("the argument that names what it acts on")] = ""
    resources: Annotated[
        dict[str, str],
        about(
            "arguments that name resources, each with the kind: `path: file`, `table: table`; "
            "`files.path` for one within another, `read ref` for one that is only read"
        ),
    ] = {}
    reads: Annotated[
        Literal["", "shell", "sql", "git", "github", "http", "nothing"],
        about(
            "the language of a text among its arguments, which is read for what it would do; "
            "empty guesses by the names, `nothing` reads none"
        ),
    ] = ""
    scope: Annotated[
        str, about("the scope an OAuth token needs to call it, besides `mcp.oauth.scopes`")
    ] = ""


class McpUpstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One MCP server: a `command` to start, the `url` of a running one, or a `builtin` one."""

    command: Annotated[str, about("program to start; it speaks MCP on its standard streams")] = ""
    args: Annotated[tuple[str, ...], about("arguments of the program")] = ()
    env: Annotated[
        dict[str, str],
        about("variables for the program; of Aegis' own it gets only PATH, HOME and the like"),
    ] = {}
    cwd: Annotated[str, about("working directory of the program, or of built-in commands")] = ""
    url: Annotated[str, about("address of the server, such as `https://host/mcp`")] = ""
    headers: Annotated[dict[str, str], about("headers added to every request to it")] = {}
    transport: Annotated[
        Literal["", "stdio", "http", "sse"],
        about("`http` is streamable HTTP, `sse` its predecessor; empty follows command or url"),
    ] = ""
    builtin: Annotated[
        Literal["", "shell", "sql"],
        about(
            "a server that is part of Aegis: `shell` has one tool, `exec`, which runs commands in "
            "a confined child in `cwd`; `sql` has `query`, which runs statements on `database`"
        ),
    ] = ""
    database: Annotated[
        str,
        about(
            "the database of `builtin: sql`: `postgresql://user:password@host/name` or "
            "`sqlite:///file`; write it as a `secret://` reference where it holds a password"
        ),
    ] = ""
    connect_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long starting and greeting may take")
    ] = 30.0
    timeout_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long one answer may take, without progress")
    ] = 60.0
    catalogue: Annotated[
        Literal["", "none", Name],
        about(
            "the entry of the catalogue that describes its tools; empty finds it by the command, "
            "the host, or what the server calls itself, `none` uses none"
        ),
    ] = ""
    tools: Annotated[
        dict[str, McpTool], about("facts about its tools, by name; they go before the catalogue's")
    ] = {}


class McpOAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens of an authorization server (OAuth 2.1) beside Aegis' own keys."""

    issuer: Annotated[
        str, about("the authorization server, as tokens name it; empty takes none", restart=True)
    ] = ""
    resource: Annotated[
        str, about("address clients know this gateway by: `https://host/mcp`", restart=True)
    ] = ""
    audience: Annotated[
        str, about("the audience tokens are for; empty means `resource`", restart=True)
    ] = ""
    jwks_url: Annotated[
        str, about("where its keys are; empty asks its metadata (RFC 8414)", restart=True)
    ] = ""
    scopes: Annotated[tuple[str, ...], about("scopes that every token needs", restart=True)] = ()


class Mcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The MCP gateway: servers that agents reach only through Aegis."""

    upstreams: Annotated[
        dict[str, McpUpstream],
        about("servers by name; their tools are listed as `NAME__tool`", restart=True),
    ] = {}
    origins: Annotated[
        tuple[str, ...],
        about("web pages (`https://host`) that may call; loopback ones always may", restart=True),
    ] = ()
    oauth: Annotated[McpOAuth, about("tokens of an authorization server, over HTTP")] = McpOAuth()
    client_approval: Annotated[
        Literal["local", "never", "always"],
        about(
            "whether the person at the client may answer reviews: `local` where the client "
            "started Aegis itself; elsewhere it is only told whom to ask",
            restart=True,
        ),
    ] = "local"
    session_seconds: Annotated[
        float,
        Meta(gt=0, le=DAY),
        about("how long an unused session over HTTP is kept", restart=True),
    ] = 3600.0
