"""The server behind the gate: reached, logged in to with the gate's own credential, read in bounded
pieces. Clients never see that credential.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import struct
from typing import TYPE_CHECKING, Any

from ....kernel.listening import address_of
from ....model import UpstreamError
from . import wire

if TYPE_CHECKING:
    from ....kernel.gate_settings import SqlGate

READ_BYTES = 65_536
"""How much is read at once."""

SOCKET_NAME = ".s.PGSQL.{port}"
"""Name of PostgreSQL's socket in its folder."""

MESSAGES_MAX = 64
"""Most messages of a greeting: parameters, and what a server has to say before it is ready."""

FIXED = {
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
}
"""What has to hold all through a session, or the server would read statements otherwise than they
were judged. The server reports both (section "Asynchronous Operations")."""

SEARCH_PATH = "public"
"""Where names without a schema are looked for after pg_catalog, as the reading of SQL has it."""


class Upstream:
    """One connection to the server."""

    def __init__(self, settings: SqlGate) -> None:
        self._settings = settings
        self._buffer = bytearray()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.parameters: dict[str, str] = {}
        self.status = b"I"
        self._key = b""

    async def open(self, user: str, password: str, given: dict[str, str]) -> None:
        """Connect and log in, with these startup parameters besides. Raises UpstreamError."""
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                await self._connect()
                await self._greet(user, password, given)
        except TimeoutError:
            self.close()
            raise UpstreamError("the database server did not answer in time") from None
        except (OSError, wire.ProtocolError) as error:
            self.close()
            raise UpstreamError(f"the database server cannot be used: {error}") from None
        except UpstreamError:
            self.close()
            raise

    async def read(self) -> list[bytes]:
        """The next messages, at least one. Raises UpstreamError where the server has gone."""
        while True:
            try:
                found = wire.split(self._buffer, self._settings.message_bytes)
                if found:
                    return found
                data = await self._reader.read(READ_BYTES)
            except (OSError, wire.ProtocolError) as error:
                raise UpstreamError(f"the database server cannot be read: {error}") from None
            if not data:
                raise UpstreamError("the database server closed the connection")
            self._buffer += data

    def send(self, data: bytes) -> None:
        """Send messages; `drain` waits until there is room for more."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the server has taken most of what was sent. Raises UpstreamError."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise UpstreamError(f"the database server has gone: {error}") from None

    async def cancel(self) -> None:
        """Ask the server to cancel what this connection runs, as well as that goes."""
        other = Upstream(self._settings)
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                await other._connect()
                head = struct.pack("!II", 8 + len(self._key), wire.CANCEL_REQUEST)
                other.send(head + self._key)
                # the server closes once the signal is sent, so it cannot hit a later statement
                await other._reader.read(1)
        except (OSError, UpstreamError, TimeoutError):
            pass
        finally:
            other.close()

    def close(self) -> None:
        """Close the connection; what runs is left to end by itself."""
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.close()

    async def _connect(self) -> None:
        host, port = address_of(self._settings.upstream)
        if host.startswith("/"):
            path = f"{host}/{SOCKET_NAME.format(port=port)}"
            self._reader, self._writer = await asyncio.open_unix_connection(path)
            return
        self._reader, self._writer = await asyncio.open_connection(host, port)
        if self._settings.upstream_tls == "disable":
            return
        self.send(struct.pack("!II", 8, wire.SSL_REQUEST))
        answer = await self._reader.readexactly(1)
        if answer != b"S":
            raise UpstreamError("the database server offers no TLS; see `gates.sql.upstream_tls`")
        await self._writer.start_tls(self._tls(), server_hostname=host)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._settings.upstream_ca or None)
        mode = self._settings.upstream_tls
        context.check_hostname = mode == "verify-full"
        if mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context

    async def _greet(self, user: str, password: str, given: dict[str, str]) -> None:
        """Log in, and read until the server is ready."""
        said = {"user": user, **given, **FIXED, "search_path": SEARCH_PATH}
        body = b"".join(wire.text_of(key) + wire.text_of(value) for key, value in said.items())
        self.send(struct.pack("!II", len(body) + 9, wire.PROTOCOL) + body + b"\0")
        login = _Login(user, password)
        for raw in await self._until_ready(login):
            kind = raw[:1]
            if kind == b"S":
                self.note(raw)
            elif kind == b"K":
                self._key = raw[wire.HEAD_BYTES :]
        wrong = self.unfit()
        if wrong:
            raise UpstreamError(wrong)

    async def _until_ready(self, login: _Login) -> list[bytes]:
        kept: list[bytes] = []
        for _ in range(MESSAGES_MAX):
            for raw in await self.read():
                kind = raw[:1]
                if kind == b"E":
                    fields = wire.fields_of(raw)
                    raise UpstreamError(
                        "the database server refused the login of the gate: SQLSTATE "
                        f"{fields.get('C', 'unknown')}"
                    )
                if kind == b"R":
                    answer = login.answer(raw)
                    if answer:
                        self.send(answer)
                elif kind == b"Z":
                    return kept
                else:
                    kept.append(raw)
        raise wire.ProtocolError("the server does not get ready")

    def note(self, raw: bytes) -> None:
        """Take in a ParameterStatus."""
        body = wire.Body(raw)
        name = body.text()
        self.parameters[name] = body.text()

    def unfit(self) -> str:
        """Why statements would not be read as they were judged; empty where they would."""
        # PostgreSQL 18 reports `search_path`, too; earlier ones do not
        path = {"search_path": SEARCH_PATH} if "search_path" in self.parameters else {}
        for name, value in (FIXED | path).items():
            if self.parameters.get(name) != value:
                return f"`{name}` is not {value}: statements would be read otherwise than judged"
        return ""


class _Login:
    """Answers the server's requests for authentication (section "Start-up")."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._scram: Any = None

    def answer(self, raw: bytes) -> bytes:
        """The answer to one request; empty where none is asked for. Raises UpstreamError."""
        body = wire.Body(raw)
        code = body.long()
        if code == 0:
            return b""
        if code == 3:
            return wire.message(b"p", wire.text_of(self._password))
        if code == 5:
            return wire.message(b"p", wire.text_of(self._md5(body.take(4))))
        if code in (10, 11, 12):
            return self._sasl(code, raw[wire.HEAD_BYTES + 4 :])
        raise UpstreamError(f"the database server asks for a login of kind {code}, not known here")

    def _md5(self, salt: bytes) -> str:
        inner = hashlib.md5((self._password + self._user).encode(), usedforsecurity=False)
        outer = inner.hexdigest().encode() + salt
        return "md5" + hashlib.md5(outer, usedforsecurity=False).hexdigest()

    def _sasl(self, code: int, data: bytes) -> bytes:
        """SCRAM-SHA-256 (RFC 5802, RFC 7677). The server proves that it knows the password, too."""
        import scramp

        try:
            if code == 10:
                offered = [part.decode() for part in data.split(b"\0") if part]
                known = [name for name in offered if name == "SCRAM-SHA-256"]
                self._scram = scramp.ScramClient(known, self._user, self._password)
                first = self._scram.get_client_first().encode()
                head = wire.text_of("SCRAM-SHA-256") + struct.pack("!i", len(first))
                return wire.message(b"p", head + first)
            if self._scram is None:
                raise UpstreamError("the database server continues a login it did not begin")
            if code == 11:
                self._scram.set_server_first(data.decode())
                return wire.message(b"p", self._scram.get_client_final().encode())
            self._scram.set_server_final(data.decode())
        except (scramp.ScramException, UnicodeDecodeError):
            raise UpstreamError("the login at the database server failed (SCRAM)") from None
        return b""
