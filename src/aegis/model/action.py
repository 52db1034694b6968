"""The one noun: an action that somebody wants performed.

A prompt to a model, a tool call, a retrieved document, a shell command, a message to another
agent: each becomes an `Action` at its surface and travels the one path. Actions are frozen;
the door (`Runtime.govern`) takes a private copy of `params`, so what was decided is what is
performed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .text import Text

PROTOCOLS = ("python", "llm", "tool", "mcp", "shell", "sql", "git", "http", "browser", "a2a", "rag")
"""Where an action came from; decides how its names are matched and its texts are read.

`tool` is a call that a model proposes and somebody else would perform."""

CAPABILITIES = ("read", "write", "delete", "deploy", "approve", "execute")
"""What an action would do to the world; empty means not classified yet."""


UNDECIDED = "undecided"
"""The label of an action of which nobody could say what it would do: it is never allowed without a
person, whatever a policy says."""


class Actor(msgspec.Struct, frozen=True):
    """Who acts: the authenticated `principal`, the `agent` working for it, the `session` whose
    records chain together, the `tenant`, and the delegation `chain` from the first agent on.
    """

    principal: str = ""
    agent: str = ""
    session: str = ""
    tenant: str = ""
    chain: tuple[str, ...] = ()


ANONYMOUS = Actor()


class Resource(msgspec.Struct, frozen=True, gc=False):
    """Something an action touches: a table, branch, file, host; `verb` is what it does to it."""

    kind: str
    name: str
    verb: str = ""


class Action(msgspec.Struct, frozen=True):
    """What somebody wants performed.

    `type` is the tool or method (`read`, `github.create_pull_request`, `chat.completions`),
    `target` what it acts on (`crm`, `org/repo`, a model, a host), `params` its JSON-like
    arguments. `content` names the texts for guards where the surface knows its wire; left empty,
    every string of `params` is read. `id` (UUIDv7, RFC 9562) and `time` (microseconds since the
    Unix epoch, UTC) are stamped at the door.
    """

    type: str
    target: str = ""
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    description: str = ""
    protocol: str = "python"
    actor: Actor = ANONYMOUS
    content: tuple[Text, ...] = ()
    capability: str = ""
    environment: str = ""
    resources: tuple[Resource, ...] = ()
    task: str = ""
    justification: str = ""
    parent: str = ""
    labels: tuple[str, ...] = ()
    id: str = ""
    time: int = 0

    @property
    def tool(self) -> str:
        """The type, under the name gateways use."""
        return self.type

    @property
    def agent_id(self) -> str:
        """The acting agent's name."""
        return self.actor.agent
