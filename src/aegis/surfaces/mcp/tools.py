"""The tools of one upstream as they are known, and a call of one as an Action.

A call's target and resources are taken from its arguments: by what is said of the tool
(`facts.py`), else from what the arguments are called (`aegis.tools.arguments`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import uuid_utils

from ...approval import DEFINITION
from ...model import UNDECIDED, Action
from ...tools.arguments import acts_on, mappings, spoken
from ...tools.names import capability
from ...tools.read import file_reading, reading_of, strictest
from . import protocol as rpc
from .facts import NOTHING, facts_of
from .pins import definition_of, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...kernel.mcp_settings import McpUpstream
    from ...model import Actor
    from ...tools.reading import Reading
    from .facts import Fact
    from .link import Link
    from .pins import Pins

TOOLS_MAX = 5_000
"""Most tools of one upstream; more are a fault of it, and none of them is used."""

NAME_MAX = 256
"""Longest name of a tool that is used, in characters; the specification asks for 128 at most."""

PAGES_MAX = 200
"""Most pages of one list that are asked for."""

SEPARATOR = "__"
"""Stands between the names of upstream and tool, which allow no other mark for it."""

_MILD = frozenset({"read", "execute"})


class Known(dict[str, rpc.Frame]):
    """Definitions by name, with what is said of the tools, and the reasons of those in quarantine.

    `epoch` is the state of the pins they were judged under.
    """

    def __init__(self, definitions: Mapping[str, rpc.Frame], facts: Mapping[str, Fact]) -> None:
        super().__init__(definitions)
        self._facts = facts
        self.bytes = {name: definition_of(tool) for name, tool in definitions.items()}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.quarantined: dict[str, str] = {}
        self.epoch = -1
        self.stale = False

    def fact(self, tool: str) -> Fact:
        """What is said of a tool."""
        return self._facts.get(tool, NOTHING)

    def label(self, tool: str) -> tuple[str, ...]:
        """The label of a call that says which definition it is of: an approval binds to it."""
        found = self.labels.get(tool)
        if found is None:
            found = (f"{DEFINITION}sha256:{digest_of(self.bytes[tool])}",)
            self.labels[tool] = found
        return found

    async def judged(self, server: str, pins: Pins) -> Known:
        """The same, judged again where a pin may have changed."""
        if self.epoch != pins.epoch():
            self.quarantined = await pins.judge(server, self.bytes)
            self.epoch = pins.epoch()
        return self


async def listed(link: Link, spec: McpUpstream) -> Known:
    """The tools an upstream lists now. Raises RpcError, UpstreamError."""
    definitions: dict[str, rpc.Frame] = {}
    if "tools" in link.capabilities:
        for tool in await pages(link, "tools/list", "tools"):
            name = tool.get("name")
            if isinstance(name, str) and 0 < len(name) <= NAME_MAX:
                definitions.setdefault(name, tool)
    link.wire.listed(definitions)
    return Known(definitions, facts_of(spec, link.about.get("name"), definitions))


async def pages(link: Link, method: str, member: str) -> list[rpc.Frame]:
    """All items of a paginated list. Raises RpcError, UpstreamError."""
    items: list[rpc.Frame] = []
    params: rpc.Frame = {}
    for _ in range(PAGES_MAX):
        answer = await link.request(method, params)
        found = answer.get(member)
        items += (
            [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
        )
        cursor = answer.get("nextCursor")
        if not isinstance(cursor, str):
            return items
        if len(items) > TOOLS_MAX:
            break
        params = {"cursor": cursor}
    raise rpc.RpcError(
        rpc.UPSTREAM, f"upstream `{link.name}` lists more than {TOOLS_MAX} entries under `{method}`"
    )


def action_of(
    actor: Actor,
    name: str,
    tool: rpc.Frame,
    arguments: dict[str, Any],
    fact: Fact,
    labels: tuple[str, ...] = (),
) -> Action:
    """A call as an Action. `name` is `server__tool`, `fact` what is said of it.

    A command line or SQL among the arguments is read, and files by their names: what they would do
    makes the call stricter, never milder. Where the arguments leave its target or resources
    uncertain, it is undecided.
    """
    kind = fact.capability
    if not kind or fact.claimed:
        guessed = _hinted(capability(name.partition(SEPARATOR)[2], "mcp"), tool)
        kind = strictest(guessed, kind)
    found = acts_on(
        arguments,
        kind,
        kinds=fact.resources,
        guesses=fact.guesses,
        target=fact.target,
        declared=declared(tool),
    )
    said = (*labels, fact.label) if fact.label else labels
    action = Action(
        name,
        found.target,
        arguments,
        protocol="mcp",
        actor=actor,
        capability=kind,
        resources=found.resources,
        labels=(*said, UNDECIDED) if found.unclear else said,
        id=str(uuid_utils.uuid7()),
    )
    return _read(action, fact.reads)


def _read(action: Action, language: str) -> Action:
    """The action with what its texts and the files it names say."""
    readings = [
        file_reading(resource.name, resource.verb)
        for resource in action.resources
        if resource.kind == "file"
    ]
    if language != "nothing":
        readings += _texts_read(action, language)
    if not readings:
        return action
    named = [resource for resource in action.resources if resource.kind != "file"]
    return msgspec.structs.replace(
        action,
        capability=strictest(action.capability, *(one.capability for one in readings)),
        environment=next((one.environment for one in readings if one.environment), ""),
        resources=(*named, *(resource for one in readings for resource in one.resources)),
        labels=(*action.labels, *(label for one in readings for label in one.labels)),
    )


def _texts_read(action: Action, language: str) -> list[Reading]:
    """What the texts among the arguments say that have a language, those within others too."""
    found = []
    for params in mappings(action.params):
        spoken_here = language if language and params is action.params else ""
        spoken_here = spoken_here or spoken(action.type, params)
        if not spoken_here:
            continue
        # the folder an upstream works in is its own; the call cannot say that it is another
        given = {name: value for name, value in params.items() if name != "cwd"}
        reading = reading_of(spoken_here, action.type, "", given)
        found += [reading] if reading is not None else []
    return found


def _hinted(kind: str, tool: rpc.Frame) -> str:
    """The capability a name suggests, made stricter by the tool's own hints; they come from the
    upstream, so they never make it milder.
    """
    hints = tool.get("annotations")
    if not isinstance(hints, dict) or kind not in _MILD:
        return kind
    if hints.get("destructiveHint") is True and hints.get("readOnlyHint") is not True:
        return "write"
    return "execute" if hints.get("readOnlyHint") is False else kind


def declared(tool: rpc.Frame) -> dict[str, Any] | None:
    """The arguments a tool declares; None where it declares none."""
    schema = tool.get("inputSchema")
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) and found else None
