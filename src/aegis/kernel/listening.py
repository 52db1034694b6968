"""Addresses that servers listen on or connect to, and who can reach them."""

from __future__ import annotations

import ipaddress
from typing import Protocol

from ..model import ConfigError

PORT_MAX = 65_535
"""Highest TCP port (RFC 9293, section 3.1)."""


class Exposed(Protocol):
    """The keys of a section that say who may come without an Aegis key."""

    @property
    def require_key(self) -> bool:
        """Whether a caller needs a key."""

    @property
    def allow_unauthenticated(self) -> bool:
        """Whether other machines may come although none is required."""


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `host:port`; an IPv6 host stands in brackets (RFC 3986, section 3.2.2).

    Raises ValueError with what is wrong.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > PORT_MAX:
        raise ValueError(f"`{text[:80]}` is no `host:port` with a port of 0 to {PORT_MAX}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"`{text[:80]}`: an IPv6 address stands in brackets, `[::1]:{port}`")
    return host.removeprefix("[").removesuffix("]"), int(port)


def shown_address(host: str, port: int) -> str:
    """The address as `address_of` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(section: str, settings: Exposed, host: str) -> None:
    """Refuse to serve everybody without a key. Raises ConfigError."""
    if settings.require_key or settings.allow_unauthenticated or is_loopback(host):
        return
    raise ConfigError(
        f"`{section}.require_key` is off and `{host}` can be reached from other machines: anybody "
        "there could use what is behind it. Serve on 127.0.0.1, turn `require_key` on, or set "
        f"`{section}.allow_unauthenticated: true` if that is what you want"
    )
