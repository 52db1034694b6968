"""Runs decided SQL on a database and gives its rows: PostgreSQL or SQLite, a connection a call.

A connection of its own for each call keeps settings, temporary tables and open transactions of one
call out of the next.
"""

from __future__ import annotations

import contextlib
import sqlite3
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ...kernel.listening import is_loopback
from ...model import ConfigError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_MAX = 1_000
"""Most rows of one answer; what a model can use is far less. `more` says that there were others."""

CONNECT_SECONDS = 10
"""How long reaching the server may take."""

STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""

_PLAIN = (str, int, float, bool, type(None))


class Database(msgspec.Struct, frozen=True):
    """A database by its address: `postgresql://user:password@host:5432/name` (`?host=/folder` for
    a socket, `?sslmode=disable` for no TLS) or `sqlite:///file`.
    """

    scheme: str
    host: str = ""
    port: int = 5432
    name: str = ""
    user: str = ""
    password: str = ""
    tls: bool = True


def database_of(address: str) -> Database:
    """The database at an address. Raises ConfigError."""
    try:
        parts = urlsplit(address)
        port = parts.port or 5432
    except ValueError:
        raise ConfigError("the address of a database is none") from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme == "sqlite" and name and not parts.netloc:
        return Database("sqlite", name=name)
    if parts.scheme not in ("postgres", "postgresql") or not name:
        raise ConfigError(
            "the address of a database is `postgresql://user:password@host/name` or `sqlite:///file`"
        )
    options = parse_qs(parts.query)
    host = options.get("host", [parts.hostname or "localhost"])[0]
    plain = options.get("sslmode") == ["disable"] or host.startswith("/") or is_loopback(host)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Database("postgresql", host, port, name, user, password, not plain)


def query(database: Database, sql: str, seconds: float) -> dict[str, Any]:
    """Run a text of SQL: `columns`, `rows`, `count` (rows written or read) and `more`.

    Several statements are one transaction. Raises UpstreamError with what the database says.
    """
    if database.scheme == "sqlite":
        return _sqlite(database, sql, seconds)
    return _postgres(database, sql, seconds)


def _answer(columns: Sequence[str], rows: Sequence[Sequence[Any]], count: int) -> dict[str, Any]:
    kept = [[cell if isinstance(cell, _PLAIN) else str(cell) for cell in row] for row in rows]
    return {
        "columns": list(columns),
        "rows": kept[:ROWS_MAX],
        "count": max(count, 0),
        "more": len(kept) > ROWS_MAX,
    }


def _sqlite(database: Database, sql: str, seconds: float) -> dict[str, Any]:
    ends = time.monotonic() + seconds
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{database.name}?mode=rw", uri=True, timeout=seconds)
        ) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
            with connection:
                cursor = connection.execute(sql)
                columns = [column[0] for column in cursor.description or ()]
                rows = cursor.fetchmany(ROWS_MAX + 1) if columns else []
                return _answer(columns, rows, cursor.rowcount if not columns else len(rows))
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UpstreamError(f"the database refused: {error}") from None


def _postgres(database: Database, sql: str, seconds: float) -> dict[str, Any]:
    try:
        import pg8000.native
    except ModuleNotFoundError:
        raise UpstreamError(
            "`pg8000` is not installed: pip install aegis-govern[postgres]"
        ) from None
    where: dict[str, Any] = {"host": database.host, "port": database.port}
    if database.host.startswith("/"):
        where = {"unix_sock": f"{database.host}/.s.PGSQL.{database.port}"}
    context = ssl.create_default_context() if database.tls else None
    try:
        connection = pg8000.native.Connection(
            database.user,
            password=database.password or None,
            database=database.name,
            ssl_context=context,
            timeout=max(seconds, CONNECT_SECONDS),
            **where,
        )
        with contextlib.closing(connection):
            connection.run(f"SET statement_timeout = {int(seconds * 1000)}")
            rows = connection.execute_simple(sql)
            columns = [column["name"] for column in rows.columns or ()]
            return _answer(columns, rows.rows or [], rows.row_count)
    except (pg8000.native.Error, OSError) as error:
        raise UpstreamError(f"the database refused: {_words(error)}") from None


def _words(error: Exception) -> str:
    """What the server said, without where in its sources."""
    said = error.args[0] if error.args else error
    return str(said.get("M", said)) if isinstance(said, dict) else str(said)
