"""Pinned tools: what a tool says of itself is read for hidden instructions and kept as it is.

At first sight a definition is scanned and pinned. One that looks poisoned, and one that differs
from its pin, is quarantined: it is not listed and its calls are refused until a person accepts it
(`aegis mcp pins`). A definition is everything the upstream says of the tool.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from ...kernel import discover
from ...kernel.ports import now
from ...kernel.state import Pin
from ...model import Action, ActionError, CallerError, Verdict, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...flow.rules import Guarding
    from ...kernel.runtime import Runtime
    from .protocol import Frame

DEFINITION_MAX = 65_536
"""Longest definition of one tool, in bytes of JSON; longer ones are quarantined unread."""

TOLD_MAX = 50
"""Most tools that one record names."""

WATCHED = ("tool_poisoning", "injection")
"""Guards that read definitions, whatever guards the configuration names for other texts."""

_encode = msgspec.json.Encoder(order="sorted").encode


def definition_of(tool: Frame) -> bytes:
    """What is pinned of a tool: all it says, as JSON with sorted keys."""
    return _encode(tool)


def digest_of(definition: bytes) -> str:
    """The digest of a definition: SHA-256 (hex)."""
    return sha256(definition).hexdigest()


class Pins:
    """The pins of one home, and the guards that read definitions."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._guard: Guarding = discover.load("guard", WATCHED[0])(
            {name: {} for name in WATCHED}, stage="input"
        )

    def epoch(self) -> int:
        """A number that changes whenever a pin may have changed."""
        return self._runtime.state.epoch()

    async def judge(self, server: str, tools: Mapping[str, bytes]) -> dict[str, str]:
        """Why tools (name → definition) are in quarantine; the others are fit for use.

        New and changed definitions are kept and recorded.
        """
        state = self._runtime.state
        known = {pin.tool: pin for pin in state.pins(server)}
        reasons: dict[str, str] = {}
        fresh: list[Pin] = []
        for tool, definition in tools.items():
            digest = digest_of(definition)
            pin = known.get(tool, Pin(server, tool))
            if pin.digest == digest:
                continue
            if pin.proposed != digest:
                pin = self._proposed(pin, digest, definition)
                fresh.append(pin)
            if pin.digest != digest:
                reasons[tool] = "a person rejected it" if pin.rejected else pin.reason
        if fresh:
            await asyncio.to_thread(self._keep, server, fresh)
        return reasons

    def _proposed(self, pin: Pin, digest: str, definition: bytes) -> Pin:
        """The pin with a definition not seen before: accepted at first sight, else waiting."""
        reason = self.poisoned(definition)
        if not reason and pin.digest:
            reason = "its definition changed after it was accepted"
        if not reason and pin.proposed:
            reason = "its definition changed while it was in quarantine"
        changes: dict[str, Any] = {"updated": now(), "by": "first sight"}
        if reason:
            changes |= {"proposed": digest, "proposal": definition, "reason": reason, "by": pin.by}
            changes["rejected"] = False
        else:
            changes |= {"digest": digest, "definition": definition}
        return msgspec.structs.replace(pin, **changes)

    def poisoned(self, definition: bytes) -> str:
        """What the guards find in a definition; empty where it is clean."""
        if len(definition) > DEFINITION_MAX:
            return f"its definition is longer than {DEFINITION_MAX} bytes"
        return self.read(msgspec.json.decode(definition))

    def read(self, value: Any) -> str:
        """What the guards find in words an upstream says of itself; empty where they are clean."""
        try:
            texts = texts_of(value, "tool_description")
            findings = self._guard.inspect(texts, Action("tools/list", protocol="mcp"))
        except ActionError as error:
            return str(error)
        worst = max(findings, key=lambda finding: finding.verdict, default=None)
        if worst is None or worst.verdict < Verdict.REVIEW:
            return ""
        return f"its description looks poisoned: {worst.category} ({worst.rule})"

    def _keep(self, server: str, pins: Sequence[Pin]) -> None:
        held = {pin.tool: pin.reason for pin in pins if pin.proposed and pin.reason}
        details: dict[str, Any] = {"server": server, "tools": len(pins)}
        if held:
            details["quarantined"] = dict(list(held.items())[:TOLD_MAX])
        self._runtime.admin("mcp.pins", by="system", details=details)
        self._runtime.state.put_pins(pins)


def waiting(pin: Pin) -> bool:
    """Whether a definition waits for a person."""
    return bool(pin.proposed) and pin.proposed != pin.digest and not pin.rejected


def answer(runtime: Runtime, name: str, accept: bool, *, by: str) -> Pin:
    """Accept or reject what `server__tool` has become. The act is recorded. Raises CallerError."""
    server, _, tool = name.partition("__")
    pin = next((pin for pin in runtime.state.pins(server) if pin.tool == tool), None)
    if pin is None or not tool:
        raise CallerError(f"no tool `{name}` was seen; `aegis mcp pins list` shows those that were")
    if not pin.proposed or pin.proposed == pin.digest:
        raise CallerError(f"`{name}` waits for nobody: it is as it was accepted")
    changes: dict[str, Any] = {"by": by, "updated": now(), "rejected": not accept}
    if accept:
        changes |= {"digest": pin.proposed, "definition": pin.proposal}
        changes |= {"proposed": "", "proposal": b"", "reason": ""}
    event = "mcp.pin.accept" if accept else "mcp.pin.reject"
    runtime.admin(event, by=by, details={"tool": name, "definition": pin.proposed})
    pin = msgspec.structs.replace(pin, **changes)
    runtime.state.put_pins([pin])
    return pin
