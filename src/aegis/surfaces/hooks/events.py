"""The hook contracts of coding agents: one JSON event in, an answer and an exit code out.

Claude Code (`PreToolUse`, `PostToolUse`, `PostToolUseFailure`) and Gemini CLI (`BeforeTool`,
`AfterTool`) send nearly the same event and read different answers. Both take exit code 2 as a
refusal whose reason stands on stderr, which is how every failure leaves here: an exit code other
than 0 and 2 would let the tool run.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

BODY_BYTES_MAX = 8 * 1024 * 1024
"""Largest event: a tool's result may be a long file; agents cut theirs far below."""

REASON_MAX = 2_000
"""Longest reason an agent is told, in characters."""

BEFORE, AFTER = "before", "after"

EVENTS = {
    "claude": {"PreToolUse": BEFORE, "PostToolUse": AFTER, "PostToolUseFailure": AFTER},
    "gemini": {"BeforeTool": BEFORE, "AfterTool": AFTER},
}
"""Agent → its events that are governed: before a tool runs, and after."""

NAMES = {"claude": "claude-code", "gemini": "gemini-cli"}
"""How each agent is named in policies and records."""


class HookError(Exception):
    """An event that cannot be read; the message is for whoever reads the agent's log."""


class Event(msgspec.Struct, frozen=True):
    """One event: which call of which tool, and after it what came of it."""

    agent: str
    moment: str
    tool: str
    input: dict[str, Any]
    call: str = ""
    session: str = ""
    cwd: str = ""
    response: Any = None
    error: str = ""


class Reply(msgspec.Struct, frozen=True):
    """What the hook process writes, and how it ends."""

    out: str = ""
    err: str = ""
    code: int = 0


def event_of(agent: str, body: bytes) -> Event:
    """The event in a body. Raises HookError."""
    known = EVENTS.get(agent)
    if known is None:
        raise HookError(f"unknown agent `{agent[:40]}`; use one of {', '.join(EVENTS)}")
    if len(body) > BODY_BYTES_MAX:
        raise HookError(f"the event is larger than {BODY_BYTES_MAX} bytes")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise HookError(f"the event is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise HookError("the event is not a JSON object")
    name, tool, given = (value.get(key) for key in ("hook_event_name", "tool_name", "tool_input"))
    moment = known.get(name) if isinstance(name, str) else None
    if moment is None:
        raise HookError(f"`{str(name)[:40]}` is no event of a tool; govern {', '.join(known)}")
    if not isinstance(tool, str) or not tool.strip():
        raise HookError("the event names no tool")
    if not isinstance(given, dict):
        raise HookError(f"the input of `{tool[:80]}` is not a JSON object")
    return Event(
        agent,
        moment,
        tool,
        given,
        _text(value, "tool_use_id"),
        _text(value, "session_id"),
        _text(value, "cwd"),
        value.get("tool_response"),
        _text(value, "error"),
    )


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found[:4_096] if isinstance(found, str) else ""


def allowed(event: Event, changed: dict[str, Any] | None = None) -> Reply:
    """Nothing stands against it: the agent's own permissions still hold. Where guards masked
    something in the input, the agent gets the input it may use (`changed`).
    """
    if changed is None or event.moment == AFTER:
        return Reply()
    if event.agent == "gemini":
        return Reply(json.dumps({"hookSpecificOutput": {"tool_input": changed}}))
    said = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "ask",
        "permissionDecisionReason": "Aegis masked something in the input",
        "updatedInput": changed,
    }
    return Reply(json.dumps({"hookSpecificOutput": said}))


def denied(event: Event, reason: str) -> Reply:
    """It may not happen, or its result may not be used."""
    reason = reason[:REASON_MAX]
    if event.agent == "gemini":
        return Reply(json.dumps({"decision": "deny", "reason": reason}))
    if event.moment == AFTER:
        return Reply(json.dumps({"decision": "block", "reason": reason}))
    said = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": reason,
    }
    return Reply(json.dumps({"hookSpecificOutput": said}))


def failed(reason: str) -> Reply:
    """Aegis itself could not decide: the tool does not run."""
    return Reply(err=f"aegis: {reason[:REASON_MAX]}\n", code=2)
