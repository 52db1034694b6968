"""What is said of the tools of an upstream: by the configuration, else by the catalogue.

An entry of the catalogue holds as it is where the operator chose the server: by name, or by the
package or host that the configuration names. Where only the server itself says who it is, the entry
adds facts and makes a call stricter; a name anybody may take makes nothing milder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ...kernel.mcp_settings import McpTool
from ...tools.arguments import KINDS
from ...tools.catalogue import IDENTITIES, named_in, tools_of
from ...tools.nested import last_word
from ...tools.reading import DESCRIBED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...kernel.mcp_settings import McpUpstream
    from ...tools.catalogue import ToolFact


class Fact(msgspec.Struct, frozen=True):
    """What is said of one tool (see `McpTool`); `label` says by whom, `guesses` whether arguments
    that `resources` does not have are guessed at, `claimed` that only the server vouches for it.
    """

    capability: str = ""
    target: str = ""
    resources: dict[str, str] = {}
    reads: str = ""
    guesses: bool = True
    claimed: bool = False
    label: str = ""


_BUILTIN = {"sql": McpTool(reads="sql")}
"""What is said of the tools of built-in servers."""

NOTHING = Fact()
"""Of a tool nobody says anything of."""


def facts_of(spec: McpUpstream, identity: Any, tools: Iterable[str]) -> Mapping[str, Fact]:
    """What is said of the tools an upstream has; `identity` is what it calls itself."""
    entry, claimed = _entry(spec, identity)
    described = tools_of(entry) if entry else {}
    found = {}
    for tool in tools:
        own, shipped = spec.tools.get(tool, _BUILTIN.get(spec.builtin)), described.get(tool)
        if own is not None or shipped is not None:
            found[tool] = _joined(own, shipped, entry, claimed)
    return found


def _entry(spec: McpUpstream, identity: Any) -> tuple[str, bool]:
    """The entry of the catalogue, and whether only the server itself says that it is this one."""
    if spec.catalogue:
        return "" if spec.catalogue == "none" else spec.catalogue, False
    words = (urlsplit(spec.url).hostname or "",) if spec.url else (spec.command, *spec.args)
    entry = named_in(words)
    if entry:
        return entry, False
    return IDENTITIES.get(identity, "") if isinstance(identity, str) else "", True


def _joined(own: McpTool | None, shipped: ToolFact | None, entry: str, claimed: bool) -> Fact:
    """The operator's word where there is one, field by field; else the catalogue's."""
    fact = NOTHING
    if shipped is not None:
        kinds = shipped.resources
        if claimed:
            kinds = {path: kind for path, kind in kinds.items() if kind and _adds(path)}
        fact = Fact(
            shipped.capability,
            resources=kinds,
            reads=shipped.reads,
            claimed=claimed,
            label=f"{DESCRIBED}{'claimed' if claimed else 'catalogue'}/{entry}",
        )
    if own is None or own == McpTool(scope=own.scope):
        return fact
    return Fact(
        own.capability or fact.capability,
        own.target,
        own.resources or fact.resources,
        own.reads or fact.reads,
        guesses=not own.resources,
        claimed=claimed and not own.capability,
        label=f"{DESCRIBED}configuration",
    )


def _adds(path: str) -> bool:
    """Whether nothing would be guessed of an argument."""
    return last_word(path) not in KINDS


def touches(fact: Fact, arguments: Iterable[str]) -> dict[str, str]:
    """The arguments of a tool that name something, each with its kind."""
    guessed = {name: KINDS.get(last_word(name), "") for name in arguments} if fact.guesses else {}
    return {path: kind for path, kind in {**guessed, **fact.resources}.items() if kind}
