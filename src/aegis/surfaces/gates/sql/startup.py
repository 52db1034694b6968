"""How a client comes in: TLS, the startup message, who it is (section "Start-up").

A client logs in with an Aegis key as its password. It is sent in clear text, so only over TLS or
from this machine.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import struct
from typing import TYPE_CHECKING

import msgspec
import uuid_utils

from ....model import Actor, Principal
from . import wire

if TYPE_CHECKING:
    import asyncio
    import ssl

    from ....kernel.gate_settings import SqlGate
    from ....kernel.keys import Keys

STARTUP_BYTES_MAX = 10_000
"""Longest startup message (PostgreSQL's MAX_STARTUP_PACKET_LENGTH)."""

PASSWORD_BYTES_MAX = 1_024
"""Longest password message: a key has 52 characters."""

NAME_MAX = 63
"""Longest name of a database or user, in bytes (PostgreSQL's NAMEDATALEN - 1)."""

REQUESTS_MAX = 3
"""Most requests for encryption before the startup message: one for each kind, and one more."""

PASSED_ON = frozenset(
    ("application_name", "datestyle", "intervalstyle", "timezone", "extra_float_digits")
)
"""Startup parameters the server gets: they change how values are written, not what statements
mean."""

NOBODY = Principal("", kind="anonymous")
"""The caller where no key is asked for."""


class Refused(Exception):
    """A client that does not get in: SQLSTATE, and why."""

    def __init__(self, code: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint


class Client(msgspec.Struct, frozen=True):
    """A client that got in: who it is, which database it opens, what the server is told of it."""

    actor: Actor
    database: str
    given: dict[str, str]


class Cancel(msgspec.Struct, frozen=True):
    """A request to cancel what another connection runs, with that one's key."""

    key: bytes


async def greet(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    settings: SqlGate,
    keys: Keys,
    tls: ssl.SSLContext | None,
) -> Client | Cancel:
    """Let a client in. Raises Refused, ProtocolError, IncompleteReadError."""
    encrypted = False
    for _ in range(REQUESTS_MAX):
        (size,) = struct.unpack("!I", await reader.readexactly(4))
        if not 8 <= size <= STARTUP_BYTES_MAX:
            raise wire.ProtocolError("this is no startup message of PostgreSQL")
        body = await reader.readexactly(size - 4)
        (code,) = struct.unpack_from("!I", body)
        if code == wire.CANCEL_REQUEST:
            return Cancel(body[4:])
        if code == wire.SSL_REQUEST and tls is not None and not encrypted:
            await _encrypt(reader, writer, tls)
            encrypted = True
        elif code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
            writer.write(b"N")
        else:
            given = _startup(code, body[4:], writer)
            return await _known(reader, writer, settings, keys, given)
    raise wire.ProtocolError("no startup message came")


async def _encrypt(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext
) -> None:
    # what came before the handshake could be anybody's, and would be read as if encrypted
    if reader._buffer:  # type: ignore[attr-defined]
        raise wire.ProtocolError("data came before the TLS handshake")
    writer.write(b"S")
    await writer.drain()
    await writer.start_tls(tls)


def _startup(version: int, body: bytes, writer: asyncio.StreamWriter) -> dict[str, str]:
    """The parameters of a startup message; a later protocol is negotiated down."""
    if version >> 16 != wire.PROTOCOL >> 16:
        raise Refused("0A000", f"protocol {version >> 16}.{version & 0xFFFF} is not spoken here")
    reading = wire.Body(bytes(wire.HEAD_BYTES) + body)
    given: dict[str, str] = {}
    while name := reading.text():
        if name in given:
            raise Refused("08P01", f"the startup parameter `{name[:NAME_MAX]}` is given twice")
        given[name] = reading.text()
    reading.end()
    extensions = [name for name in given if name.startswith("_pq_.")]
    if version != wire.PROTOCOL or extensions:
        head = struct.pack("!II", wire.PROTOCOL, len(extensions))
        writer.write(wire.message(b"v", head + b"".join(map(wire.text_of, extensions))))
    return {name: value for name, value in given.items() if name not in extensions}


async def _known(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    settings: SqlGate,
    keys: Keys,
    given: dict[str, str],
) -> Client:
    user = given.pop("user", "")
    database = given.pop("database", "") or user
    passed = _passed(given)
    for what, name in (("user", user), ("database", database)):
        if not name.isprintable() or not 0 < len(name.encode()) <= NAME_MAX:
            raise Refused("3D000", f"the name of the {what} is not 1 to {NAME_MAX} printable bytes")
    principal = NOBODY
    if settings.require_key:
        principal = await _principal(reader, writer, keys)
    if not any(fnmatch.fnmatchcase(database, glob) for glob in settings.databases):
        raise Refused(
            "3D000", f"database `{database}` is not open here", "see `gates.sql.databases`"
        )
    writer.write(wire.message(b"R", struct.pack("!I", 0)))
    agent = principal.agent or user
    session = f"sql/{uuid_utils.uuid7()}"
    actor = Actor(principal.id, agent, session, principal.tenant)
    return Client(actor, database, {"database": database, **passed})


def _passed(given: dict[str, str]) -> dict[str, str]:
    """The startup parameters the server gets. Raises Refused for one that could change what
    statements mean.
    """
    passed = {}
    for name, value in given.items():
        lowered = name.lower()
        if lowered in PASSED_ON:
            passed[lowered] = value
        elif lowered == "client_encoding":
            if value.lower().replace("-", "").replace("_", "").strip("'\"") not in (
                "utf8",
                "unicode",
            ):
                raise Refused("22023", "the gate reads UTF-8 only", "set client_encoding to UTF8")
        elif lowered == "replication" and value.lower() in ("false", "off", "no", "0"):
            continue
        elif lowered == "replication":
            raise Refused("0A000", "the gate does not replicate")
        elif lowered != "options" or value.strip():
            raise Refused(
                "0A000",
                f"the startup parameter `{name[:NAME_MAX]}` is not passed on by this gate",
                "set it with SET once connected, if policy allows",
            )
    return passed


async def _principal(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: Keys
) -> Principal:
    if writer.get_extra_info("ssl_object") is None and not _near(writer):
        raise Refused("28000", "a key is only taken over TLS", "connect with sslmode=require")
    writer.write(wire.message(b"R", struct.pack("!I", 3)))
    await writer.drain()
    head = await reader.readexactly(wire.HEAD_BYTES)
    size = struct.unpack("!I", head[1:])[0] - 4
    if head[:1] != b"p" or not 0 < size <= PASSWORD_BYTES_MAX:
        raise wire.ProtocolError("a password was expected")
    token = wire.Body(head + await reader.readexactly(size)).text()
    principal = keys.authenticate(token)
    if principal is None:
        raise Refused(
            "28P01",
            "this key is unknown, revoked or expired" if token else "a key is needed",
            "the password is an Aegis key; `aegis keys create --name NAME` makes one",
        )
    return principal


def _near(writer: asyncio.StreamWriter) -> bool:
    """Whether the client is on this machine."""
    peer = writer.get_extra_info("peername")
    try:
        return ipaddress.ip_address(str(peer[0]).partition("%")[0]).is_loopback
    except (ValueError, TypeError, IndexError):
        return False
