"""An http address in the one spelling it is judged, recorded and asked by.

Scheme and host in lower case, the host as IDNA or as the address it stands for, no default port,
no dot segments, percent-encoding in capitals and only where it is needed (RFC 3986, section 6.2).
A path that some servers would read as another one is refused.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

import msgspec

PORTS = {"http": 80, "https": 443}
"""Default ports (RFC 9110, section 4.2)."""

NAME_MAX = 253
"""Longest name of a host, in characters (RFC 1035, section 2.3.4)."""

DECODINGS_MAX = 3
"""How often a path is decoded in search of a hidden `..`; servers in a row decode twice."""


MEMO_MAX = 256
"""Most addresses remembered: each is looked at several times on its way, by gate and reader."""


class Url(msgspec.Struct, frozen=True):
    """A canonical address. `host` stands without brackets, `port` is never 0; `query` has no `?`;
    `user` is what stood before an `@`.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str
    user: str = ""

    @property
    def host_port(self) -> str:
        """Host and port, as `CONNECT` takes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host, and port where it is not the default: the Host header (RFC 9110, 7.2)."""
        if self.port != PORTS.get(self.scheme):
            return self.host_port
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def place(self) -> str:
        """The address without its query."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def text(self) -> str:
        """The whole address."""
        return self.place + (f"?{self.query}" if self.query else "")


@lru_cache(maxsize=MEMO_MAX)
def canonical_url(text: str) -> Url:
    """The address a text stands for; without a scheme, `http`. Raises ValueError saying why not."""
    if any(char < " " and char != "\0" for char in text) or "\x7f" in text:
        raise ValueError("it holds a control character")
    head, mark, query = text.partition("#")[0].partition("?")
    if "\\" in head:
        raise ValueError("a backslash is no part of an address; write `%5C`")
    parts = urlsplit(head if "://" in head else "http://" + head)
    host = canonical_host(parts.hostname or "")
    port = parts.port if parts.port is not None else PORTS.get(parts.scheme, 0)
    if not port:
        raise ValueError("no such port")
    user = parts.netloc.rpartition("@")[0]
    return Url(parts.scheme, host, port, _path(parts.path), _encoded(query) if mark else "", user)


def canonical_host(host: str) -> str:
    """A host as it is compared: lower case, IDNA, numbers as an address. Raises ValueError."""
    host = host.strip().rstrip(".").lower()
    if not host:
        raise ValueError("no host")
    plain = unquote(host)
    if not plain.isascii():
        plain = plain.encode("idna").decode("ascii")
    if plain != host:
        # full-width digits and dots, and encoded ones, may be an address only now
        return canonical_host(plain)
    number = _number(host)
    if number is not None:
        return str(ipaddress.IPv4Address(number))
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if len(host) > NAME_MAX or not _NAME.fullmatch(host):
            raise ValueError("not a host name") from None
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


_NAME = re.compile(r"[a-z0-9._-]+")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}")


def _number(host: str) -> int | None:
    """An IPv4 address in one to four parts, decimal, octal or hexadecimal (inet_aton)."""
    if not _NUMERIC.fullmatch(host):
        # a name whose last label is a number is no name (WHATWG URL, host parsing)
        if ":" not in host and host.rpartition(".")[2].isdigit():
            raise ValueError("not an address")
        return None
    try:
        parts = [
            int(part[2:] or "0", 16)
            if part.startswith("0x")
            else int(part, 8 if part[0] == "0" else 10)
            for part in host.split(".")
        ]
    except ValueError:
        raise ValueError("not an address") from None
    *first, last = parts
    if any(part > 255 for part in first) or last >= 256 ** (4 - len(first)):
        raise ValueError("not an address")
    number = last
    for place, part in enumerate(first):
        number |= part << (8 * (3 - place))
    return number


_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = "\0!\"$%&'()*+,/:;<=>?@[\\]^`{|}~"


def _encoded(text: str) -> str:
    """Percent-encoding in one spelling; a `%` that begins none stays."""
    return quote(_ESCAPE.sub(_escape, text), safe=_KEPT)


def _escape(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _path(path: str) -> str:
    """A path without dot segments (RFC 3986, 5.2.4). Raises ValueError where one is hidden."""
    path = _encoded(path or "/")
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            if kept:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    resolved = "/" + "/".join(kept)
    plain = resolved
    for _ in range(DECODINGS_MAX):
        plain = unquote(plain)
    if any(part.partition(";")[0] == ".." for part in re.split(r"[/\\]", plain)):
        raise ValueError("the path hides a `..`; write it out")
    return resolved
