"""Headers that repeat what a body says, so that proxies can route without reading it.

Since 2026-07-28, `Mcp-Method` and `Mcp-Name` repeat method and name; `Mcp-Param-X` repeats an
argument whose schema says `x-mcp-header: X`. They are made anew for an upstream, and those of a
client are checked: what was routed by a header has to be what is governed.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from . import protocol as rpc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .protocol import Frame

    Marks = dict[tuple[str, ...], str]

NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Methods whose `Mcp-Name` header repeats a parameter."""

PARAM = "mcp-param-"
MARK = "x-mcp-header"

DEPTH_MAX = 8
"""Deepest property that is looked at for a mark."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


def marks(schema: Any, path: tuple[str, ...] = ()) -> Marks:
    """Paths of arguments that a schema marks → the rest of their header's name."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    found: Marks = {}
    if not isinstance(properties, dict) or len(path) >= DEPTH_MAX:
        return found
    for name, below in properties.items():
        if not isinstance(below, dict):
            continue
        token = below.get(MARK)
        if isinstance(token, str) and _TOKEN.fullmatch(token):
            found[(*path, name)] = token.lower()
        found.update(marks(below, (*path, name)))
    return found


def written(method: str, params: Frame, marked: Marks) -> dict[str, str]:
    """The headers of a request."""
    headers = {"mcp-protocol-version": rpc.MODERN, "mcp-method": method}
    name = params.get(NAMED.get(method, ""))
    if isinstance(name, str):
        headers["mcp-name"] = encoded(name)
    for path, token in marked.items():
        value = _value(params.get("arguments"), path)
        if value is not None:
            headers[PARAM + token] = encoded(value)
    return headers


def check(headers: Mapping[bytes, bytes], method: str, params: Frame) -> None:
    """That the headers of a request say what its body says. Raises RpcError."""
    expected = {b"mcp-protocol-version": rpc.meta_of(params).get(rpc.META_REVISION)}
    expected[b"mcp-method"] = method
    if method in NAMED:
        expected[b"mcp-name"] = params.get(NAMED[method])
    for name, value in expected.items():
        given = headers.get(name)
        if given is None or decoded(given) != value:
            raise _mismatch(name)


def check_arguments(headers: Mapping[bytes, bytes], arguments: Any, marked: Marks) -> None:
    """That headers which repeat arguments do so. Raises RpcError."""
    for path, token in marked.items():
        name = (PARAM + token).encode()
        given = headers.get(name)
        value = _value(arguments, path)
        if (given is None) != (value is None) or (given is not None and decoded(given) != value):
            raise _mismatch(name)


def encoded(text: str) -> str:
    """A text as a header carries it: base64 where it is not plain ASCII."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    if plain and not text.startswith("=?base64?"):
        return text
    return f"=?base64?{b64encode(text.encode('utf-8', 'surrogatepass')).decode()}?="


def decoded(value: bytes) -> str | None:
    """A header's text; None where it cannot be decoded."""
    text = value.decode("latin-1").strip()
    if text.startswith("=?base64?") and text.endswith("?="):
        try:
            return b64decode(text[9:-2], validate=True).decode()
        except ValueError:
            return None
    return text


def _value(node: Any, path: tuple[str, ...]) -> str | None:
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node) if isinstance(node, (str, int, float)) else None


def _mismatch(name: bytes) -> rpc.RpcError:
    return rpc.RpcError(
        rpc.HEADER_MISMATCH,
        f"the header `{name.decode()}` is not what the body says",
        {"header": name.decode()},
    )
