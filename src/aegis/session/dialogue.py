"""What a conversation with a model brings into a session: the user's words, and tools' results.

A request to a model carries the whole conversation. Its user messages are what was asked for; its
tool messages are results the application fetched itself. Read are the shapes of OpenAI (`role:
tool`, `tool_call_id`) and of Anthropic (blocks of type `tool_result`, `tool_use_id`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..model import Text


class Said(msgspec.Struct, frozen=True):
    """One part of a conversation. `tool` names the tool it came from, `*` one nobody named; empty
    for the user's own words.
    """

    value: Any
    tool: str = ""


def said(params: Mapping[str, Any]) -> Iterator[Said]:
    """The user's words and the tools' results in a request to a model, in order."""
    messages = params.get("messages")
    names: dict[str, str] = {}
    for message in messages if isinstance(messages, (list, tuple)) else ():
        if not isinstance(message, dict):
            continue
        role, content = message.get("role"), message.get("content")
        _name(message, names)
        if role in ("tool", "function"):
            name = message.get("name") or names.get(_text(message.get("tool_call_id")))
            yield Said(_plain(content), _text(name) or "*")
        elif role == "user":
            yield from _user(content, names)


def results(value: Any) -> tuple[Any, ...]:
    """What a tool answered, out of the envelope of the Model Context Protocol: the text of its
    `content`, and its `structuredContent` (2025-06-18, server/tools, "Tool Result").
    """
    if not isinstance(value, dict) or not isinstance(value.get("content"), list):
        return (value,)
    structured = value.get("structuredContent")
    content = _plain(value["content"])
    return (content,) if structured is None else (content, structured)


def spoken(texts: Sequence[Text]) -> Iterator[Said]:
    """The same of the texts a surface named itself."""
    for text in texts:
        if text.kind == "prompt":
            yield Said(text.text)
        elif text.kind in ("tool_result", "document"):
            yield Said(text.text, "*")


def _user(content: Any, names: dict[str, str]) -> Iterator[Said]:
    if isinstance(content, str):
        yield Said(content)
        return
    for block in content if isinstance(content, (list, tuple)) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "tool_result":
            name = names.get(_text(block.get("tool_use_id")), "*")
            yield Said(_plain(block.get("content")), name)
        elif isinstance(block.get("text"), str):
            yield Said(block["text"])


def _name(message: Mapping[str, Any], names: dict[str, str]) -> None:
    """Note which call of an assistant's message is of which tool."""
    calls, content = message.get("tool_calls"), message.get("content")
    for call in calls if isinstance(calls, (list, tuple)) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            names[_text(call.get("id"))] = _text(function.get("name"))
    for block in content if isinstance(content, (list, tuple)) else ():
        if isinstance(block, dict) and block.get("type") == "tool_use":
            names[_text(block.get("id"))] = _text(block.get("name"))


def _plain(content: Any) -> Any:
    """A result as its tool gave it: one text, where it comes as blocks of text."""
    if isinstance(content, (list, tuple)):
        texts = [_text(block.get("text")) for block in content if isinstance(block, dict)]
        if texts and all(texts):
            return "\n".join(texts)
    return content


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
