"""Aegis itself as an MCP server: an agent may ask what would be decided, why, and what is recorded.

It is an upstream like any other, so what an agent asks of it is governed and recorded like any
other call. Nothing here changes anything: there is no tool that touches policy, approvals or pins.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from ...kernel.mcp_settings import Mcp, McpTool, McpUpstream
from ...model import PROTOCOLS, Action, Actor, AegisError, Prepared
from ...tools.names import capability
from ..refusal import about
from .local_wire import LocalWire, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...kernel.runtime import Runtime
    from .protocol import Frame

    Records = Callable[[dict[str, Any], int], Sequence[dict[str, Any]]]

NAME = "aegis"
"""The name of this upstream."""

RECORDS_MAX = 50
"""Most records one call of `audit` returns: they have to fit a model's context."""

_TEXT: Mapping[str, str] = MappingProxyType({"type": "string"})

_ACTION: Mapping[str, Any] = MappingProxyType(
    {
        "type": {**_TEXT, "description": "the tool or method, such as `github__delete_repo`"},
        "target": {**_TEXT, "description": "what it acts on"},
        "params": {"type": "object", "description": "its arguments"},
        "protocol": {"type": "string", "enum": list(PROTOCOLS)},
        "agent": {**_TEXT, "description": "the agent that would act; left out, the one that asks"},
    }
)
_FILTERS = ("kind", "session", "action", "type", "target", "agent", "verdict", "rule", "status")

TOOLS: tuple[Frame, ...] = (
    {
        "name": "evaluate",
        "description": "Say what would be decided about an action, performing nothing.",
        "inputSchema": {"type": "object", "properties": dict(_ACTION), "required": ["type"]},
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
    {
        "name": "why",
        "description": "Say how every rule of the policy stands to an action.",
        "inputSchema": {"type": "object", "properties": dict(_ACTION), "required": ["type"]},
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
    {
        "name": "audit",
        "description": "Show recorded decisions and outcomes, the newest last.",
        "inputSchema": {
            "type": "object",
            "properties": {
                **{name: dict(_TEXT) for name in _FILTERS},
                "limit": {"type": "integer", "minimum": 1, "maximum": RECORDS_MAX},
            },
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
)

SETTINGS = Mcp({NAME: McpUpstream(NAME, tools={t["name"]: McpTool("read") for t in TOOLS})})
"""A gateway whose only upstream is Aegis itself."""


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `evaluate` and `why`."""

    type: str
    target: str = ""
    params: dict[str, Any] = {}
    protocol: str = "mcp"
    agent: str = ""

    def action(self, environment: str) -> Action:
        """The action that is asked about, classified as the door would."""
        return Action(
            self.type,
            self.target,
            self.params,
            protocol=self.protocol,
            actor=Actor(agent=self.agent),
            capability=capability(self.type, self.protocol, self.params),
            environment=environment,
        )


_ASKED = Prepared(Asked)


class OwnWire(LocalWire):
    """Answers questions. `records` reads the ledger: filters and a limit in, rows out."""

    def __init__(self, runtime: Runtime, records: Records) -> None:
        super().__init__(TOOLS)
        self._runtime = runtime
        self._records = records

    async def called(self, frame: Frame) -> Frame:
        """The result of a call."""
        params = frame["params"]
        try:
            found = await self._call(params["name"], params.get("arguments", {}))
        except msgspec.ValidationError as error:
            return failed(f"the arguments are not what is expected: {error}")
        except AegisError as error:
            return failed(str(error))
        text = msgspec.json.encode(found).decode()
        return {"content": [{"type": "text", "text": text}], "structuredContent": found}

    async def _call(self, name: str, arguments: dict[str, Any]) -> Frame:
        if name == "audit":
            limit = arguments.pop("limit", RECORDS_MAX)
            known = {key: value for key, value in arguments.items() if key in _FILTERS and value}
            count = min(limit, RECORDS_MAX) if isinstance(limit, int) and limit > 0 else RECORDS_MAX
            # what was asked just now is part of what is read
            self._runtime.journal.flush("written")
            return {"records": list(self._records(known, count))}
        action = _ASKED.convert(arguments).action(self._runtime.settings.environment)
        if name == "evaluate":
            outcome = await self._runtime.agovern(action, _nothing, dry=True)
            return about(outcome)
        return self._why(action)

    def _why(self, action: Action) -> Frame:
        policy = self._runtime.rules.policy
        explain = getattr(getattr(policy, "base", policy), "explain", None)
        decision = policy.decide(action)
        told: Frame = {
            "verdict": decision.verdict.word,
            "rule": decision.rule,
            "policy": decision.policy,
            "reasons": list(decision.reasons),
            "advice": decision.advice,
        }
        if explain is not None:
            told["rules"] = [
                {
                    "rule": trace.rule,
                    "verdict": trace.verdict.word,
                    "matched": trace.matched,
                    "decided": trace.decided,
                    "why": trace.why,
                }
                for trace in explain(action).rules
            ]
        return told


def _nothing(_: Action) -> None:
    """A dry run performs nothing."""
