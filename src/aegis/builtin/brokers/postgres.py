"""PostgreSQL: a login of its own for each action, made by an account that may make them.

The login inherits what the roles of the scope may do, lives until its time is over, and is dropped
when the action ends: its sessions are terminated first, for the end of a password does not end
them.
"""

from __future__ import annotations

import re
import secrets
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import AegisError, CallerError, PluginError, Prepared
from ...plugin.broker import Credential
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted

CONNECT_SECONDS = 10
"""How long reaching the server may take."""

CONNECTIONS_MAX = 2
"""How many sessions a login may have at once."""

PREFIX = "aegis_"
"""How every login made here begins; others are never dropped."""

_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class PostgresSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the server is (a host, or the folder of a socket), and the account that makes logins
    (CREATEROLE, and ADMIN of the roles it gives).
    """

    host: str
    database: str
    user: str
    password: str = ""
    port: int = 5432
    tls: bool = True
    statement_seconds: int = 60


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: tuple[str, ...]
    read_only: bool = True


_SCOPE = Prepared(_Scope)


class PostgresBroker:
    """Mints one login for each action: fields `username`, `password`, `host`, `port`,
    `database`.
    """

    Settings = PostgresSettings
    degraded = False
    revocable = True

    def __init__(self, settings: PostgresSettings, context: Context) -> None:
        self._settings = settings
        self._name = context.name

    def mint(self, wanted: Wanted) -> Credential:
        """A login that inherits the scope's roles. Raises AegisError."""
        scope = scope_of(self._name, wanted, _SCOPE)
        if not scope.roles or not all(map(_ROLE.fullmatch, scope.roles)):
            raise CallerError(f"{self._name}: a scope names roles, in lower case")
        login, password = f"{PREFIX}{secrets.token_hex(10)}", secrets.token_urlsafe(32)
        expires = time.time() + wanted.ttl_seconds
        until = datetime.fromtimestamp(expires, UTC).isoformat()
        # names are quoted and plain, the password has no quote: nothing an agent wrote is here
        statements = [
            f"CREATE ROLE \"{login}\" LOGIN INHERIT PASSWORD '{password}' VALID UNTIL '{until}'"
            f" CONNECTION LIMIT {CONNECTIONS_MAX}",
            *(f'GRANT "{role}" TO "{login}"' for role in scope.roles),
            f"ALTER ROLE \"{login}\" SET statement_timeout = '{self._settings.statement_seconds}s'",
        ]
        if scope.read_only:
            statements.append(f'ALTER ROLE "{login}" SET default_transaction_read_only = on')
        self._run(["BEGIN", *statements, "COMMIT"])
        settings = self._settings
        fields = {
            "username": login,
            "password": password,
            "host": settings.host,
            "port": str(settings.port),
            "database": settings.database,
        }
        said = {"roles": list(scope.roles), "read_only": scope.read_only, "login": login}
        return Credential(fields, int(expires * 1e6), said, login)

    def revoke(self, credential: Credential) -> None:
        """Drop the login and end its sessions. What it owns goes with it."""
        login = credential.handle
        if not re.fullmatch(PREFIX + "[0-9a-f]{20}", login):
            raise AegisError(f"{self._name}: that is no login made here")
        # the name was checked: it holds nothing that would end a quote
        there = f"SELECT 1 FROM pg_roles WHERE rolname = '{login}'"  # noqa: S608
        if not self._run([there]):
            return
        sessions = f"FROM pg_stat_activity WHERE usename = '{login}'"
        self._run(
            [
                f'ALTER ROLE "{login}" NOLOGIN',
                f'GRANT "{login}" TO CURRENT_USER',
                f"SELECT pg_terminate_backend(pid) {sessions}",
                f'DROP OWNED BY "{login}"',
                f'DROP ROLE "{login}"',
            ]
        )

    def close(self) -> None:
        """There is no connection between two actions."""

    def _run(self, statements: list[str]) -> Any:
        """Run statements on a connection of their own; the rows of the last one."""
        try:
            import pg8000.native as pg
        except ImportError:
            raise PluginError(
                f"{self._name}: this needs pg8000; `pip install aegis-govern[postgres]` brings it"
            ) from None
        settings = self._settings
        where: dict[str, Any] = {"host": settings.host, "port": settings.port}
        if settings.host.startswith("/"):
            where = {"unix_sock": f"{settings.host}/.s.PGSQL.{settings.port}"}
        elif settings.tls:
            where["ssl_context"] = ssl.create_default_context()
        try:
            with pg.Connection(
                settings.user,
                database=settings.database,
                password=settings.password or None,
                timeout=CONNECT_SECONDS,
                **where,
            ) as connection:
                rows: Any = None
                for statement in statements:
                    rows = connection.run(statement)
                return rows
        except pg.DatabaseError as error:
            # the server's message can quote the statement, and that holds a password
            fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
            code = fields.get("C", "unknown")
            raise AegisError(f"{self._name}: PostgreSQL refused it (SQLSTATE {code})") from None
        except (pg.InterfaceError, OSError) as error:
            raise AegisError(f"{self._name}: {type(error).__name__}") from None
