"""An HTTP request: its method says what it does, its address whom it asks.

Hosts are compared in their ASCII form in lower case, without a trailing dot. Addresses that are
written as numbers in any of the forms that `inet_aton` takes are read as what they are.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .names import METHODS
from .reading import DELETE, EXECUTE, READ, WRITE, Notes, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ADDRESS_MAX = 8_192
"""Longest address that is read, in characters (the limit servers commonly set)."""

METADATA_HOSTS = frozenset(
    (
        "169.254.169.254",
        "fd00:ec2::254",
        "metadata.google.internal",
        "metadata",
        "100.100.100.200",
        "169.254.170.2",
        "metadata.azure.internal",
    )
)
"""Where clouds hand out credentials: AWS and Azure (link-local), Google, Alibaba, AWS ECS."""


def read(type: str, target: str, params: Mapping[str, Any]) -> Reading:
    """What a request would do; `params` holds `method` and `url` (or `host` and `path`)."""
    notes = Notes()
    method = params.get("method")
    method = method if isinstance(method, str) and method else type.rpartition(".")[2]
    notes.does(capability_of(method))
    url = next(
        (value for key in ("url", "uri", "address") if isinstance(value := params.get(key), str)),
        "",
    )
    host, path = params.get("host"), params.get("path")
    if not url and isinstance(host, str):
        url = f"http://{host}{path if isinstance(path, str) else '/'}"
    note_address(url or target, method, notes)
    return notes.reading()


def capability_of(method: str) -> str:
    """What a method does (RFC 9110 section 9); an unknown one executes."""
    return METHODS.get(method.lower(), EXECUTE)


def note_address(url: str, method: str, notes: Notes) -> None:
    """Notes the host, the address and the dangers of one request."""
    if len(url) > ADDRESS_MAX:
        notes.doubts("the address is too long")
        return
    if "\0" in url.split("/", 3)[2 if "://" in url else 0] or not url:
        notes.touches("host", "?", "connect")
        notes.doubts("the host is only known when it runs")
        return
    try:
        parts = urlsplit(url if "://" in url else "http://" + url)
        host = canonical_host(parts.hostname or "")
        port = parts.port
    except ValueError:
        notes.doubts("the address is not a URL")
        return
    verb = {READ: READ, DELETE: DELETE}.get(capability_of(method), WRITE)
    notes.touches("host", host, verb)
    if parts.path.strip("/"):
        shown = f"{host}:{port}" if port else host
        notes.touches("url", f"{shown}{parts.path}".replace("\0", "?"), verb)
    if host in METADATA_HOSTS:
        notes.threatens("metadata-service")
    elif private(host) and not loopback(host):
        notes.threatens("private-address")


def canonical_host(host: str) -> str:
    """A host as it is compared: lower case, IDNA, numbers as an address. Raises ValueError."""
    host = host.strip().rstrip(".").lower()
    if not host:
        raise ValueError("no host")
    number = _number(host)
    if number is not None:
        return str(ipaddress.IPv4Address(number))
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def private(host: str) -> bool:
    """Whether a canonical host is inside: private, loopback, link-local or a local name."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".internal", ".local"))


def loopback(host: str) -> bool:
    """Whether a canonical host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_NUMERIC = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){0,3}")


def _number(host: str) -> int | None:
    """An IPv4 address in one to four parts, decimal, octal or hexadecimal (inet_aton)."""
    if not _NUMERIC.fullmatch(host):
        # a name whose last label is a number is no name (WHATWG URL, host parsing)
        if ":" not in host and host.rpartition(".")[2].isdigit():
            raise ValueError("not an address")
        return None
    try:
        parts = [
            int(part, 16 if part.startswith("0x") else 8 if part[0] == "0" else 10)
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
