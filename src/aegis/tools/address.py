"""Which network addresses are not of the public Internet, and why.

An address inside may answer to a machine that nobody meant to reach: the host itself, the cloud's
metadata service, a router. What carries an IPv4 address within (mapped, translated, tunnelled)
leads to that address, and counts as it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPECIAL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a metadata service", ("169.254.169.254/32", "169.254.170.2/32", "fd00:ec2::254/128")),
    ("a metadata service", ("100.100.100.200/32", "fd20:ce::254/128", "168.63.129.16/32")),
    ("unspecified", ("0.0.0.0/8", "::/128")),
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("shared by a carrier (CGNAT)", ("100.64.0.0/10",)),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
    ("reserved", ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")),
    ("reserved", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "100::/64")),
    ("reserved", ("64:ff9b:1::/48", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")),
)
"""What an address is, and the blocks that are it: the IANA registries of special-purpose
addresses (RFC 6890), site-local addresses (RFC 3879), and where clouds hand out credentials
(168.63.129.16 looks public, and is Azure's own in every network). The first block that holds an
address counts. Teredo (2001::/32) lies within a reserved one."""

_BLOCKS: tuple[tuple[str, Network], ...] = tuple(
    (what, ip_network(block)) for what, blocks in SPECIAL for block in blocks
)

_MAPPED, _COMPATIBLE = IPv6Network("::ffff:0:0/96"), IPv6Network("::/96")
_TRANSLATED, _SIX_TO_FOUR = IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16")


def special(host: str) -> str:
    """What an address is where it is not of the public Internet (`loopback`, `private` and the
    like); empty for public ones. Raises ValueError for what is no address.
    """
    address = parsed(host)
    return next((what for what, block in _BLOCKS if address in block), "")


def parsed(host: str) -> Address:
    """The address a text stands for, or the IPv4 address within. Raises ValueError."""
    address = ip_address(host.partition("%")[0])
    return _within(address) or address if isinstance(address, IPv6Address) else address


def _within(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that one of IPv6 carries (RFC 4291 2.5.5, RFC 6052, RFC 3056)."""
    number = int(address)
    if address in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if address in _MAPPED or address in _TRANSLATED:
        return IPv4Address(number & 0xFFFF_FFFF)
    if address in _COMPATIBLE and number > 1:
        return IPv4Address(number & 0xFFFF_FFFF)
    return None
