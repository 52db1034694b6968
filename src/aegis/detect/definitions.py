"""The texts of a tool definition, as guards read them: every string, wherever it stands.

A model reads the whole definition, so a name, an enum value, a default or the key of a property
steers it as well as the description does. Identifiers are read once more as words, because
`content_from_reading_ssh_id_rsa` is a sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..model import Text, texts_of

if TYPE_CHECKING:
    from ..model import Path

KIND = "tool_description"
"""What the texts of a definition are to the model (see `model.KINDS`)."""

WORDS_MIN = 3
"""Fewest words of an identifier that can be an order; `user_id` is none."""

IDENTIFIER_MAX = 128
"""Longest identifier read as words, in code points: longer strings are read as they are."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[_.-][A-Za-z0-9]+)*")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def definition_texts(definition: Any, path: Path = ()) -> list[Text]:
    """Every text of one tool definition, or of a list of them, keys included.

    `definition` is JSON-like (OpenAI `tools[]`, MCP `Tool`), `path` where it stands. An identifier
    of WORDS_MIN words or more comes a second time, as words; that reading cannot be rewritten.
    Raises ActionError where the value is nested too deeply or holds too many strings.
    """
    found = texts_of(definition, KIND, path)
    return found + [
        Text(spelled, KIND, text.path, key=True)
        for text in found
        if (spelled := spelled_out(text.text))
    ]


def spelled_out(identifier: str) -> str:
    """An identifier in words, or nothing where it is none or has too few."""
    if len(identifier) > IDENTIFIER_MAX or not _IDENTIFIER.fullmatch(identifier):
        return ""
    parts = _PARTS.findall(identifier)
    return " ".join(parts).lower() if len(parts) >= WORDS_MIN else ""
