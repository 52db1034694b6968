"""The shapes of a chat-completions request that guards and records rely on.

What another reader could take for something else is refused here with its path, and never sent
upstream. Fields that only the provider reads are the provider's to check.
"""

from __future__ import annotations

from typing import Any

from .wire import WireError


def check_content(message: dict[str, Any], path: str) -> None:
    """The content of a message is a text, a list of parts, or null. Raises WireError."""
    content = message.get("content")
    if content is None or content.__class__ is str:
        return
    if not isinstance(content, list):
        raise WireError(f"`{path}` has to be a text, a list of parts, or null", path)
    for index, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise _wrong(f"{path}[{index}]", "an object with a `type`")


def check_tools(body: dict[str, Any]) -> None:
    """Tools are objects with a type and what belongs to it, functions have a name.

    Raises WireError.
    """
    for index, tool in enumerate(_listed(body, "tools")):
        path = f"tools[{index}]"
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            raise _wrong(path, "an object with a `type`")
        kind = tool["type"]
        if kind in ("function", "custom"):
            _check_named(tool.get(kind), f"{path}.{kind}")
    for index, function in enumerate(_listed(body, "functions")):
        _check_named(function, f"functions[{index}]")


def _listed(body: dict[str, Any], name: str) -> list[Any]:
    found = body.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _wrong(name, "a list")
    return found


def _check_named(value: Any, path: str) -> None:
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise _wrong(path, "an object with a `name`")


def _wrong(path: str, shape: str) -> WireError:
    return WireError(f"`{path}` has to be {shape}", path)
