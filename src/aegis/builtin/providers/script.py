"""What the offline provider answers: a script of entries, or built-in manners.

An entry matches the last user message (a glob, `*` crosses everything) and, if given, the model.
The first that matches answers. Without one: `offline` says back what it was told; a model whose
name starts with `offline-tools` proposes a call of the first offered tool, or of the one a
message such as `call lookup {"id": 7}` names.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import ConfigError, Prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

ECHO_MAX = 400
"""Longest part of a message that is said back, in code points."""

ENTRIES_MAX = 1000
"""Most entries of a script: each request looks through them in order."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call the script proposes. Arguments given as text are passed on as they are."""

    name: str
    arguments: dict[str, Any] | str = {}


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scripted answer. `latency` is in seconds; `status` other than 200 is a failure."""

    match: str = "*"
    model: str = "*"
    reply: str = ""
    tool_calls: tuple[Call, ...] = ()
    finish_reason: str = ""
    latency: float = 0.0
    status: int = 200


_ENTRIES = Prepared(tuple[Entry, ...])


class Answer(msgspec.Struct, frozen=True):
    """What is answered: a text, calls, or a failure."""

    text: str
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    latency: float = 0.0
    status: int = 200


def entries(raw: Any, source: str) -> tuple[Entry, ...]:
    """The entries of a script. Raises ConfigError."""
    try:
        found = _ENTRIES.convert(raw)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {str(error)[0].lower()}{str(error)[1:]}") from None
    if len(found) > ENTRIES_MAX:
        raise ConfigError(f"{source}: more than {ENTRIES_MAX} entries")
    for entry in found:
        if not 0 <= entry.latency <= 3600 or not 200 <= entry.status <= 599:
            raise ConfigError(
                f"{source}: the entry for `{entry.match}` needs a latency of 0 to 3600 seconds "
                "and a status of 200 to 599"
            )
    return found


def answer(script: Sequence[Entry], body: dict[str, Any], latency: float) -> Answer:
    """The answer to a chat-completions body."""
    said = last_user_text(body)
    model = str(body.get("model", ""))
    for entry in script:
        if fnmatchcase(said, entry.match) and fnmatchcase(model, entry.model):
            finish = entry.finish_reason or ("tool_calls" if entry.tool_calls else "stop")
            return Answer(
                entry.reply, entry.tool_calls, finish, entry.latency or latency, entry.status
            )
    if model.startswith("offline-tools"):
        call = _proposed(body, said)
        if call is not None:
            return Answer("", (call,), "tool_calls", latency)
    result = _last_tool_text(body)
    if result is not None:
        return Answer(f"The tool answered: {result[:ECHO_MAX]}", latency=latency)
    return Answer(f"You said: {said[:ECHO_MAX]}", latency=latency)


def last_user_text(body: dict[str, Any]) -> str:
    """The text of the last user message; empty where there is none."""
    messages = body.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))
    return ""


def _last_tool_text(body: dict[str, Any]) -> str | None:
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("role") in ("tool", "function"):
        return _text(last.get("content"))
    return None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def _proposed(body: dict[str, Any], said: str) -> Call | None:
    """The call `offline-tools` proposes; None once a tool has answered, or without tools."""
    functions = _functions(body)
    if not functions or _last_tool_text(body) is not None:
        return None
    if said.startswith("call "):
        name, _, rest = said[5:].strip().partition(" ")
        if name in functions:
            return Call(name, rest.strip() or "{}")
    name = next(iter(functions))
    return Call(name, _arguments(functions[name], said))


def _functions(body: dict[str, Any]) -> dict[str, Any]:
    """The offered functions: name → JSON Schema of the arguments."""
    tools = body.get("tools")
    found: dict[str, Any] = {}
    for tool in tools if isinstance(tools, list) else []:
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            found[function["name"]] = function.get("parameters")
    return found


def _arguments(schema: Any, said: str) -> dict[str, Any]:
    """Arguments that fill the required properties of a schema, always the same way."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {name: _value(properties.get(name), said) for name in required if isinstance(name, str)}


def _value(schema: Any, said: str) -> Any:
    if not isinstance(schema, dict):
        return said[:ECHO_MAX]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    kinds: dict[str, Any] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    return kinds.get(str(schema.get("type")), said[:ECHO_MAX])
