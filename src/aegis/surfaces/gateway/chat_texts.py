"""Where the texts of a chat-completions request are, and what each is to the model.

Whatever the model (or its provider) could read is named here. Fields this file does not know are
read too, as if they were prompts: a new field of the wire is not a way around the guards.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ...detect import definition_texts
from ...model import Path, Text, texts_of

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "prompt",
    "assistant": "prompt",
    "tool": "tool_result",
    "function": "tool_result",
}
"""The kind of text by the role of its message; other roles count as prompts."""

INERT = frozenset(
    ("model", "service_tier", "reasoning_effort", "verbosity", "modalities", "stream_options")
)
"""Top-level fields with strings that select something and are read by nobody."""

BINARY = ("data:image/", "data:audio/", "data:video/")
"""Data URLs that carry no text."""

DATA_URL_TEXT = ("data:text/", "data:application/json", "data:application/xml")
"""Data URLs whose content is text for the model."""

_SCALARS = frozenset((int, float, bool, type(None)))


def request_texts(body: dict[str, Any]) -> list[Text]:
    """Every text of a request body. Raises ActionError for too deep or too many."""
    found: list[Text] = []
    for key, value in body.items():
        if value.__class__ in _SCALARS or key in INERT:
            continue
        if key == "messages":
            if isinstance(value, list):
                _messages(value, found)
        elif key in ("tools", "functions"):
            found.extend(definition_texts(value, (key,)))
        elif key == "response_format":
            found.extend(texts_of(value, "tool_description", (key,)))
        else:
            found.extend(texts_of(value, "prompt", (key,)))
    return found


def _messages(messages: list[Any], found: list[Text]) -> None:
    for index, message in enumerate(messages):
        if message.__class__ is dict and len(message) == 2 and "role" in message:
            content = message.get("content")
            # most messages are a role and a text, and nothing has to be looked for in them
            if content.__class__ is str and (role := message["role"]).__class__ is str:
                if content:
                    path = ("messages", index, "content")
                    found.append(Text(content, ROLES.get(role, "prompt"), path))
                continue
        _message(message, index, found)


def _message(message: Any, index: int, found: list[Text]) -> None:
    if not isinstance(message, dict):
        found.extend(texts_of(message, "prompt", ("messages", index)))
        return
    role = message.get("role")
    kind = ROLES.get(role, "prompt") if isinstance(role, str) else "prompt"
    for key, value in message.items():
        if key == "role" or value is None:
            continue
        if key == "content":
            if value.__class__ is str:
                if value:
                    found.append(Text(value, kind, ("messages", index, "content")))
            elif isinstance(value, list):
                for place, part in enumerate(value):
                    _part(part, kind, ("messages", index, "content", place), found)
            else:
                found.extend(texts_of(value, kind, ("messages", index, key)))
        elif key in ("tool_calls", "function_call"):
            found.extend(texts_of(value, "arguments", ("messages", index, key)))
        elif key != "tool_call_id":
            found.extend(texts_of(value, kind, ("messages", index, key)))


def _part(part: Any, kind: str, path: Path, found: list[Text]) -> None:
    """One content part: its text, its URL, its file, or whatever else it holds."""
    if not isinstance(part, dict):
        found.extend(texts_of(part, kind, path))
        return
    for key, value in part.items():
        if key == "type":
            continue
        if key == "input_audio" and isinstance(value, dict):
            rest = {name: item for name, item in value.items() if name not in ("data", "format")}
            found.extend(texts_of(rest, kind, (*path, key)))
            continue
        for text in texts_of(value, kind, (*path, key)):
            if not text.text.startswith("data:"):
                found.append(text)
            elif not text.text.startswith(BINARY):
                found.append(Text(opened(text.text), "document", text.path, text.key))


def opened(url: str) -> str:
    """The text inside a data URL (RFC 2397); the URL itself where it holds none."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith(DATA_URL_TEXT) or not head.endswith(";base64"):
        return url
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return url


def closed(url: str, text: str) -> str:
    """The data URL with its text replaced; plain text where `url` held none to open."""
    if opened(url) == url:
        return text
    return url.partition(",")[0] + "," + base64.b64encode(text.encode()).decode()
