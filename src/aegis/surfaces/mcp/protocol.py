"""The Model Context Protocol as far as the gateway reads it: JSON-RPC frames, revisions, codes.

Frames stay plain JSON values. What the gateway does not understand it passes on unchanged, so a
field of a later revision reaches the other side. Source of names and codes: the specification at
https://modelcontextprotocol.io/specification, revisions below; JSON-RPC 2.0.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ...model import CallerError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "aegis"
TITLE = "Aegis"

MODERN = "2026-07-28"
"""The stateless revision: no handshake, every request says what its client can do."""

LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Revisions with a handshake, newest first."""

REVISIONS = (MODERN, *LEGACY)

META_REVISION = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT = "io.modelcontextprotocol/clientInfo"
META_SERVER = "io.modelcontextprotocol/serverInfo"
META_LOG = "io.modelcontextprotocol/logLevel"
META_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
"""The extension of 2026-07-28 by which calls go on after their request was answered."""

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32603,
)
HEADER_MISMATCH, NO_CAPABILITY, BAD_REVISION = -32020, -32021, -32022
"""Codes of revision 2026-07-28."""

BLOCKED, QUARANTINED, APPROVAL, DENIED, LIMITED, UPSTREAM, UNAVAILABLE, LATE = (
    40301,
    40302,
    40901,
    40303,
    42901,
    50201,
    50301,
    50401,
)
"""Our own codes; they lie outside -32768 to -32000, which belongs to JSON-RPC and MCP."""

FRAME_MAX = 10_485_760
"""Largest frame taken from a client or a server where no setting says otherwise: 10 MiB."""

TEXT_MAX = 8_192
"""Longest name or address a client may ask by, in characters: it stands in records."""

DEPTH_MAX = 100
"""Deepest nesting of a frame: guards read 64 levels, and a frame wraps those in a few more."""

ID_MAX = 256
"""Longest request id, in characters: it is kept while the request runs."""

NEAR_BYTES = 512
"""How far from its ends the id of a frame is looked for that cannot be read."""

Frame = dict[str, Any]
encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class RpcError(CallerError):
    """An answer other than a result (JSON-RPC 2.0, section 5.1)."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def error(self) -> dict[str, Any]:
        """The `error` member of a response."""
        body: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.data is not None:
            body["data"] = self.data
        return body


class Channel(Protocol):
    """Where frames to one client go while one of its requests is answered, or in between.

    `headers` are those the request came with, where it came over HTTP.
    """

    @property
    def headers(self) -> Mapping[bytes, bytes] | None:
        """The headers of the request."""
        ...

    async def send(self, frame: Frame) -> None:
        """Hand over one frame; returns when the client can take more."""
        ...


@cache
def about() -> Frame:
    """What the gateway says it is (`Implementation`)."""
    try:
        number = version("aegis-govern")
    except PackageNotFoundError:
        number = "0"  # a source tree that was never installed
    return {"name": NAME, "title": TITLE, "version": number}


class FrameError(RpcError):
    """A frame that cannot be read; `id` is the request it belongs to, None where that is open."""

    def __init__(self, message: str, id: Any = None) -> None:
        super().__init__(PARSE_ERROR, message)
        self.id = id


def decode(data: bytes) -> Any:
    """The value of one frame. Raises FrameError."""
    try:
        value = _decode(data)
    except RecursionError:
        raise _too_deep(data) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"the frame is not valid JSON: {str(error)[:200]}") from None
    # counting costs nothing; only a frame with many brackets is walked
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and _deep(value):
        raise _too_deep(data)
    return value


def id_near(data: bytes) -> Any:
    """The id that stands near an end of a frame which cannot be read; None where none does. Who
    sent the frame could have written any other.
    """
    for part in (data[:NEAR_BYTES], data[-NEAR_BYTES:]):
        found = _ID.search(part)
        if found is not None:
            return _decode(found[1])
    return None


_ID = re.compile(rb'"id"\s*:\s*([0-9]{1,15}|"[A-Za-z0-9_.:/-]{1,200}")\s*[,}]')


def _too_deep(data: bytes) -> FrameError:
    return FrameError(f"the frame is nested deeper than {DEPTH_MAX} levels", id_near(data))


def _deep(value: Any) -> bool:
    """Whether a value is nested deeper than DEPTH_MAX."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEPTH_MAX):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


def check(frame: Any) -> Frame:
    """A frame that is one request, notification or response. Raises RpcError."""
    if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'a frame is one JSON object with `"jsonrpc": "2.0"`')
    id = frame.get("id", 0)
    if isinstance(id, bool) or not isinstance(id, (str, int)) or len(str(id)) > ID_MAX:
        raise RpcError(INVALID_REQUEST, f"`id` is a whole number or at most {ID_MAX} characters")
    method = frame.get("method")
    if method is None:
        if "id" not in frame or ("result" in frame) == ("error" in frame):
            raise RpcError(INVALID_REQUEST, "a frame has a `method`, or an `id` and an answer")
    elif not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "`method` is a text")
    if not isinstance(frame.get("params", {}), dict):
        raise RpcError(INVALID_PARAMS, "`params` is an object")
    return frame


def meta_of(params: Frame) -> Frame:
    """The `_meta` of a request; empty where it has none."""
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def result_of(id: Any, result: Any) -> Frame:
    """A response with a result."""
    return {"jsonrpc": "2.0", "id": id, "result": result}


def error_of(id: Any, error: RpcError) -> Frame:
    """A response with an error."""
    return {"jsonrpc": "2.0", "id": id, "error": error.error()}


def notification(method: str, params: Frame | None = None) -> Frame:
    """A notification."""
    frame: Frame = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        frame["params"] = params
    return frame


def text_of(params: Frame, name: str) -> str:
    """A parameter that has to be a text. Raises RpcError."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise RpcError(INVALID_PARAMS, f"`{name}` has to be a text that is not empty")
    if len(value) > TEXT_MAX:
        raise RpcError(INVALID_PARAMS, f"`{name}` is longer than {TEXT_MAX} characters")
    return value
