"""Tool calls a model proposes, as actions, and what stands in the reply where one was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...flow.propose import MALFORMED
from ...model import Action, joined
from ...tools.names import capability
from .errors import shareable
from .wire import parse_object

if TYPE_CHECKING:
    from ...model import Decision, Path

CALLS_MAX = 256
"""Most tool calls of one reply."""


def child(parent: Action, position: int, name: str, arguments: Any) -> Action:
    """The action a proposed call stands for.

    Arguments that are not one JSON object stay as they came, under `arguments`, and the call is
    labelled: nobody can say what a tool would make of them.
    """
    labels: tuple[str, ...] = ()
    params: dict[str, Any] | None
    if isinstance(arguments, str):
        params = parse_object(arguments) if arguments.strip() else {}
    else:
        params = arguments if isinstance(arguments, dict) else None
    if params is None or not name:
        params, labels = {"arguments": arguments}, (MALFORMED,)
    return Action(
        name or "<unnamed>",
        "",
        params,
        "",
        "tool",
        parent.actor,
        (),
        capability(name, "tool"),
        parent.environment,
        (),
        parent.task,
        "",
        parent.id,
        labels,
        f"{parent.id}.{position}",
        parent.time,
    )


def call_of(entry: Any) -> tuple[str, Any]:
    """The name and arguments of one entry of `tool_calls`, function or custom tool."""
    if not isinstance(entry, dict):
        return "", entry
    function = entry.get("function")
    if isinstance(function, dict) and "custom" not in entry:
        return _name(function), function.get("arguments", "")
    custom = entry.get("custom")
    if isinstance(custom, dict) and "function" not in entry:
        return _name(custom), {"input": custom.get("input", "")}
    return "", entry


def calls_of(message: Any) -> list[tuple[str, Any]]:
    """All calls of one message, the deprecated `function_call` last."""
    if not isinstance(message, dict):
        return []
    entries = message.get("tool_calls")
    found: list[tuple[str, Any]] = []
    if isinstance(entries, list):
        found.extend(call_of(entry) for entry in entries)
    elif entries:
        found.append(("", entries))
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        found.append((_name(legacy), legacy.get("arguments", "")))
    elif legacy:
        found.append(("", legacy))
    return found


def argument_texts(message: Any) -> list[tuple[str, Path, str]]:
    """Name, place and text of the arguments of the calls of one message."""
    entries = message.get("tool_calls") if isinstance(message, dict) else None
    found: list[tuple[str, Path, str]] = []
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        for part, key in (("function", "arguments"), ("custom", "input")):
            made = entry.get(part) if isinstance(entry, dict) else None
            if isinstance(made, dict) and isinstance(made.get(key), str):
                found.append((_name(made), ("tool_calls", index, part, key), made[key]))
    legacy = message.get("function_call") if isinstance(message, dict) else None
    if isinstance(legacy, dict) and isinstance(legacy.get("arguments"), str):
        found.append((_name(legacy), ("function_call", "arguments"), legacy["arguments"]))
    return found


def notice(name: str, decision: Decision) -> str:
    """What the reply says in place of a refused call."""
    decision = shareable(decision)
    why = joined(decision.reasons) or "the policy refuses it"
    text = f"[aegis] the call of `{name}` was refused by rule `{decision.rule}`: {why}"
    return f"{text}; {decision.advice}" if decision.advice else text


def explained(name: str, decision: Decision) -> dict[str, Any]:
    """A refused call for the reply's `aegis` object."""
    decision = shareable(decision)
    return {
        "name": name,
        "verdict": decision.verdict.word,
        "rule": decision.rule,
        "policy": decision.policy,
        "reasons": list(decision.reasons),
        "advice": decision.advice,
    }


def _name(function: dict[str, Any]) -> str:
    name = function.get("name")
    return name if isinstance(name, str) else ""
