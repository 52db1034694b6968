"""How the flow reads HTTP: the texts of a request and of an answer, whole or in pieces.

Guards read the address, the headers and the body. Credentials (see `UNREAD`) are passed on unread;
records hold the address, the names of headers, and size and digest of bodies.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from ....flow.view import PlainView
from ....model import NO_USAGE, Digest, Text, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....model import Action, Decision, Usage

UNREAD = frozenset(
    ("authorization", "cookie", "set-cookie", "x-api-key", "api-key", "www-authenticate")
)
"""Headers that carry credentials. Guards would mask every key that a client legitimately sends."""

RESULT = "tool_result"
"""What the texts of an answer are: programs read them first, models later."""

HIDDEN = "(not read)"
"""Stands for the value of such a header, so that rules may ask whether it is there."""


class Begin(msgspec.Struct, frozen=True):
    """The head of a streamed answer. `framed` says that its body comes as it left the server."""

    status: int
    fields: tuple[tuple[str, str], ...]
    framed: bool


class Piece(msgspec.Struct, frozen=True):
    """A piece of a streamed answer: of its text, or (`raw`) of what is no text."""

    text: str = ""
    raw: bytes = b""
    charset: str = "utf-8"

    @property
    def data(self) -> bytes:
        """The piece as it is sent."""
        return self.raw or self.text.encode(self.charset, "replace")


class HttpView(PlainView):
    """Reads the params of a request: `url`, `headers`, `body`; and an answer likewise."""

    private = True

    def texts(self, action: Action) -> Sequence[Text]:
        """The address, the headers, and every string of the body."""
        params = action.params
        return [Text(params["url"], "arguments", ("url",)), *_read(params, "arguments")]

    def recorded(self, action: Action) -> Any:
        """What was asked, without its words."""
        params = action.params
        kept = {key: params[key] for key in ("method", "url", "addresses") if key in params}
        return kept | _weighed(params)

    def reply_texts(self, action: Action, value: Any) -> Sequence[Text]:
        """The headers, and every string of the body."""
        return _read(value, RESULT)

    def reply_recorded(self, value: Any) -> Any:
        """The status, and the shape of the answer."""
        if not isinstance(value, dict):
            return None
        return {key: value[key] for key in ("status", "tunnel") if key in value} | _weighed(value)

    def reader(self, action: Action) -> HttpReader:
        """A reader for an answer that comes in pieces."""
        return HttpReader()


class HttpReader:
    """Reads an answer that comes in pieces: one text, or no text at all."""

    kind = RESULT
    due = False

    def __init__(self) -> None:
        self._status = 0
        self._size = 0
        self._digest = sha256()
        self._kind = "binary"

    def read(self, event: Begin | Piece) -> tuple[Sequence[tuple[int, str]], bool]:
        """The text of a piece; an answer proposes no calls."""
        if isinstance(event, Begin):
            self._status = event.status
            return (), False
        data = event.data
        self._size += len(data)
        self._digest.update(data)
        if event.raw:
            return (), False
        self._kind = "text"
        return ((0, event.text),), False

    def rewrite(self, event: Begin | Piece, channel: int, text: str) -> Begin | Piece:
        """The piece with another text; the head of an answer stays."""
        return event if isinstance(event, Begin) else Piece(text, charset=event.charset)

    def calls(self) -> Sequence[Action]:
        """Answers propose no calls."""
        return ()

    def without_calls(self, event: Any, refused: Mapping[int, Decision]) -> Any:
        """Nothing to leave out."""
        return event

    def arguments(self) -> Sequence[tuple[str, str]]:
        """Answers propose no calls."""
        return ()

    def with_arguments(self, event: Any, restored: Mapping[int, str]) -> Any:
        """Nothing to replace."""
        return event

    def cut(self, decision: Decision) -> Sequence[Any]:
        """Nothing ends an answer early but the end of its connection."""
        return ()

    def usage(self) -> Usage:
        """Answers do not say what they cost."""
        return NO_USAGE

    def recorded(self) -> Any:
        """Status, size and digest of what was passed on, before anything was masked."""
        digest = Digest(self._size, sha256=self._digest.hexdigest())
        return {"status": self._status, "body": digest, "kind": self._kind, "streamed": True}


def _read(value: Mapping[str, Any], kind: str) -> list[Text]:
    found = texts_of(value["headers"], kind, ("headers",)) if "headers" in value else []
    texts = [text for text in found if text.key or text.text != HIDDEN]
    return texts + texts_of(value.get("body"), kind, ("body",))


def _weighed(value: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if "headers" in value:
        kept["headers"] = sorted(value["headers"])
    content = value.get("content")
    if content:
        kept["body"] = Digest(content["bytes"], sha256=content["sha256"])
        kept["kind"] = content["kind"]
    return kept


HTTP = HttpView()
"""The view every request is read through."""
