"""How the flow reads MCP: the texts of arguments and results, and what of a result is recorded.

Arguments are recorded redacted, long texts by their digest; of a result the record holds shape and
digest. An error that a server answers is a reply like any other: its words reach the model, so
guards read them.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ...flow.view import PlainView
from ...model import Digest, texts_of
from .protocol import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Action, Text

BINARY = frozenset({"data", "blob"})
"""Members of content that hold base64 (MCP, `ImageContent`, `AudioContent`, `BlobResource`)."""

BINARY_MIN = 256
"""Shorter values of these members are read as text: they cost nothing and may be some."""

RECORDED_MAX = 2_000
"""Longest text of an argument that stands in a record, in characters: names, addresses and
commands do, files that are written do not."""

SHAPE_MAX = 100
"""Most content blocks whose type a record names."""

DOCUMENTS = frozenset({"resources/read", "prompts/get"})
"""Methods whose result is a document that somebody wrote, not the outcome of an act."""

PROMPTS = frozenset({"sampling/createMessage", "elicitation/create"})
"""Requests of servers that a model or a person reads."""


class McpView(PlainView):
    """Reads the requests that carry arguments, and every result."""

    def recorded(self, action: Action) -> Any:
        """The arguments, long texts as what they weigh."""
        return _weighed(action.params) or None

    def texts(self, action: Action) -> Sequence[Text]:
        """Every string of the arguments, keys included."""
        kind = "prompt" if action.type in PROMPTS else "arguments"
        return texts_of(action.params, kind)

    def reply_texts(self, action: Action, value: Any) -> Sequence[Text]:
        """Every string of a result but base64."""
        kind = "document" if action.type in DOCUMENTS else "tool_result"
        return [
            text
            for text in texts_of(value, kind)
            if text.key or text.path[-1] not in BINARY or len(text.text) < BINARY_MIN
        ]

    def reply_recorded(self, value: Any) -> Any:
        """Shape and digest of a result."""
        body = encode(value)
        kept: dict[str, Any] = {"digest": Digest(len(body), sha256=sha256(body).hexdigest())}
        if not isinstance(value, dict):
            return kept
        content = value.get("content") or value.get("contents") or value.get("messages")
        if isinstance(content, list):
            kept["content"] = [_shape(block) for block in content[:SHAPE_MAX]]
        if value.get("isError") is True:
            kept["is_error"] = True
        if isinstance(value.get("error"), dict):
            kept["error"] = value["error"].get("code")
        return kept


def _weighed(value: Any) -> Any:
    if isinstance(value, str) and len(value) > RECORDED_MAX:
        data = value.encode("utf-8", "surrogatepass")
        return Digest(len(data), sha256=sha256(data).hexdigest())
    if isinstance(value, dict):
        return {key[:RECORDED_MAX]: _weighed(item) for key, item in value.items()}
    return [_weighed(item) for item in value] if isinstance(value, list) else value


def _shape(block: Any) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    return kind[:40] if isinstance(kind, str) else "?"


MCP = McpView()
"""The view every MCP request is read through."""
