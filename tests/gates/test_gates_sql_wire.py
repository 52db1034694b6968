"""The SQL gate against what is no driver: bytes, half messages, faults on either side."""

import contextlib
import os
import signal
import socket
import struct
import threading
import time

import psutil
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege


def startup(version=196608, **parameters):
    body = b"".join(
        key.encode() + b"\0" + value.encode() + b"\0" for key, value in parameters.items()
    )
    return struct.pack("!II", len(body) + 9, version) + body + b"\0"


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def heard(wire, until=b"Z", seconds=15):
    """The messages up to one of a type, or the end of the connection."""
    wire.settimeout(seconds)
    buffer, found = b"", []
    while True:
        while len(buffer) >= 5 and len(buffer) > (size := struct.unpack("!I", buffer[1:5])[0]):
            found.append((buffer[:1], buffer[5 : size + 1]))
            buffer = buffer[size + 1 :]
            if found[-1][0] == until:
                return found
        data = wire.recv(65536)
        if not data:
            return found
        buffer += data


@contextlib.contextmanager
def raw(gate, **parameters):
    """A socket that is logged in."""
    with socket.create_connection(("127.0.0.1", gate.port), timeout=15) as wire:
        wire.sendall(startup(**{"user": "agent-7", "database": "postgres", **parameters}))
        heard(wire, b"R")
        wire.sendall(message(b"p", gate.key.encode() + b"\0"))
        yield wire, heard(wire)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\x04",
        b"\xff" * 64,
        struct.pack("!II", 8, 80877103) * 5,
        startup(131072, user="x"),
        startup(user="x", user2="y", replication="database"),
        startup(user="x", options="-c search_path=evil"),
        startup(user="x", client_encoding="SJIS"),
        startup(user="x", search_path="evil"),
        startup(user=""),
    ],
)
def test_what_is_no_client_is_turned_away(gate, data):
    with socket.create_connection(("127.0.0.1", gate.port), timeout=15) as wire:
        wire.sendall(data)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := wire.recv(4096):
            answer += piece
        assert b"R\0\0\0" not in answer
    assert gate.works()


@pytest.mark.parametrize(
    "data",
    [
        b"Q\x00\x00\x00\x03",
        b"Q\x7f\xff\xff\xff",
        message(b"Q", b"no end"),
        message(b"Q", b"\xff\xfe\0"),
        message(b"~", b""),
        message(b"P", b"\0"),
        message(b"B", b"\0\0\0\x01\0\x07\0\0\0\0"),
        message(b"D", b"Xname\0"),
        message(b"E", b"\0"),
        message(b"Q", b"SELECT 1\0SELECT * FROM secrets\0"),
    ],
)
def test_a_broken_message_ends_the_session_and_says_why(gate, data):
    with raw(gate) as (wire, _):
        wire.sendall(data)
        kinds = heard(wire)
        assert kinds[0][0] == b"E"
        assert b"08P01" in kinds[0][1]
        assert kinds[-1][0] == b"E"
    assert gate.works()


def test_later_protocols_are_negotiated_down(gate):
    with socket.create_connection(("127.0.0.1", gate.port), timeout=15) as wire:
        parameters = {"user": "a", "database": "postgres", "_pq_.what": "1"}
        wire.sendall(startup(196610, **parameters))
        first = heard(wire, b"R")[0]
        assert first == (b"v", struct.pack("!II", 196608, 1) + b"_pq_.what\0")


def test_function_calls_and_stray_messages(gate):
    with raw(gate) as (wire, _):
        wire.sendall(message(b"F", b"\0" * 12))
        assert [kind for kind, _ in heard(wire)] == [b"E", b"Z"]
        wire.sendall(message(b"d", b"x") + message(b"c") + message(b"S"))
        assert [kind for kind, _ in heard(wire)] == [b"Z"]
        wire.sendall(message(b"Q", b"\0"))
        assert [kind for kind, _ in heard(wire)] == [b"I", b"Z"]


def test_after_an_error_everything_up_to_sync_is_ignored(gate):
    parse = message(b"P", b"\0SELECT * FROM secrets\0\0\0")
    bind = message(b"B", b"\0\0\0\0\0\0\0\0")
    run = message(b"E", b"\0\0\0\0\0")
    good = message(b"P", b"\0SELECT 1\0\0\0")
    with raw(gate) as (wire, _):
        wire.sendall(parse + bind + run + good + bind + run + message(b"S"))
        assert [kind for kind, _ in heard(wire)] == [b"E", b"Z"]
        wire.sendall(good + bind + run + message(b"S"))
        assert [kind for kind, _ in heard(wire)] == [b"1", b"2", b"D", b"C", b"Z"]
        wire.sendall(parse + message(b"S"))  # what would be refused is not even prepared
        assert [kind for kind, _ in heard(wire)] == [b"E", b"Z"]


def test_one_batch_cannot_change_how_its_rest_is_read(gate):
    bind, run = message(b"B", b"\0\0\0\0\0\0\0\0"), message(b"E", b"\0\0\0\0\0")
    first = message(b"P", b"\0SELECT 1\0\0\0") + bind + run
    second = message(b"P", b"\0SELECT 'a\\'\0\0\0") + bind + run
    with raw(gate) as (wire, _):
        wire.sendall(first + second + message(b"S"))
        kinds = heard(wire)
        assert [kind for kind, _ in kinds][-2:] == [b"E", b"Z"]
        wire.sendall(second + message(b"S"))
        assert [kind for kind, _ in heard(wire)][-2:] == [b"C", b"Z"]


def test_a_portal_that_is_only_bound_is_not_fetched_from(open_gate):
    """Its statement would run, and only the FETCH were on record."""
    with open_gate.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS n")
    bind = message(b"P", b"\0DELETE FROM kept RETURNING n\0\0\0") + message(
        b"B", b"p\0\0" + bytes(6)
    )
    fetch = message(b"P", b"\0FETCH ALL FROM p\0\0\0") + message(b"B", b"\0\0" + bytes(6))
    for asked in (
        message(b"Q", b"FETCH ALL FROM p\0"),
        message(b"Q", b"SELECT 1; MOVE ALL IN p\0"),
        fetch + message(b"E", b"\0" + bytes(4)) + message(b"S"),
    ):
        with raw(open_gate) as (wire, _):
            wire.sendall(message(b"Q", b"BEGIN\0"))
            heard(wire)
            wire.sendall(bind + message(b"S"))
            assert [kind for kind, _ in heard(wire)] == [b"1", b"2", b"Z"]
            wire.sendall(asked)
            assert b"C0A000" in dict(heard(wire))[b"E"]
            wire.sendall(message(b"Q", b"COMMIT\0"))
            heard(wire)
    with open_gate.connect() as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
        # a cursor of SQL, and a portal that is executed, are fetched from as ever
        with connection.transaction(), connection.cursor("mine") as cursor:
            assert cursor.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_no_record_holds_the_password_of_a_role(gate):
    with gate.connect() as connection:
        for secret in ("'never-kept'", "E'never-\\'kept'", "$a$never-kept$a$"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(f"ALTER ROLE agents WITH password {secret} LOGIN")
    told = gate.aegis("audit", "--format", "jsonl", "--limit", "0")
    assert "(not recorded)' LOGIN" in told
    assert "never-" not in told
    assert "kept'" not in told


def test_cancel_reaches_the_statement_and_only_with_its_key(gate):
    with gate.connect() as connection:
        failed = []

        def run():
            try:
                connection.execute("SELECT count(*) FROM generate_series(1, 1000000000000)")
            except psycopg.errors.QueryCanceled:
                failed.append(True)

        running = threading.Thread(target=run)
        running.start()
        time.sleep(0.3)  # a cancel before it runs has no effect, as with PostgreSQL
        forged = struct.pack("!III", 16, 80877102, connection.info.backend_pid) + b"\0\0\0\0"
        with socket.create_connection(("127.0.0.1", gate.port), timeout=15) as wire:
            wire.sendall(forged)
            assert wire.recv(1) == b""
        assert running.is_alive()
        deadline = time.monotonic() + 20
        while running.is_alive() and time.monotonic() < deadline:
            connection.cancel_safe()
            running.join(0.5)
        assert failed
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_leaves_ends_what_it_runs(gate, database):
    with raw(gate) as (wire, _):
        wire.sendall(message(b"Q", b"SELECT count(*) FROM generate_series(1, 999999999999)\0"))
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%999999999999%'"
        running = f"{query} AND state = 'active' AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + 15
        while " 1\n" not in database.psql(running) and time.monotonic() < deadline:
            time.sleep(0.05)
    while " 0\n" not in database.psql(running):
        assert time.monotonic() < deadline + 15, "it still runs"
        time.sleep(0.05)
    statuses = {one.get("status") for one in gate.records()}
    assert "abandoned" in statuses


def test_a_kill_leaves_a_decision_on_record_and_nothing_that_was_not_decided(start):
    gate = start()
    with gate.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS killed (n int)")

        def insert():
            # where the gate is slow to die, it has refused to wait
            with contextlib.suppress(psycopg.Error):
                connection.execute("INSERT INTO killed SELECT 1 FROM pg_sleep(5)")

        policy_allows = threading.Thread(target=insert)
        policy_allows.start()
        os.kill(gate.process.pid, signal.SIGKILL)
        gate.process.wait()
        policy_allows.join(20)
        assert not policy_allows.is_alive()
    decided = [one for one in gate.records() if one.get("type") == "sql.query"]
    assert any("CREATE TABLE" in one["params"]["sql"] for one in decided)
    gate.aegis("doctor")


def test_a_server_that_dies_ends_the_session_with_an_error(gate, database):
    with gate.connect() as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        database.psql(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert gate.works()


def test_a_server_that_is_not_there(start):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gate = start("upstream_tls: disable", upstream=f"127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(psycopg.OperationalError, match="cannot be used"):
            gate.works()


def test_a_server_that_breaks_off_in_the_middle_of_an_answer(start):
    """A stand-in that logs in, begins a row, and goes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            wire, _ = server.accept()
            with wire:
                (size,) = struct.unpack("!I", wire.recv(4))
                wire.recv(size - 4)
                said = message(b"R", struct.pack("!I", 0))
                for name, value in (("client_encoding", "UTF8"),
                                    ("standard_conforming_strings", "on")):  # fmt: skip
                    said += message(b"S", f"{name}\0{value}\0".encode())
                wire.sendall(said + message(b"K", b"\0" * 8) + message(b"Z", b"I"))
                wire.recv(4096)
                wire.sendall(b"D\x00\x00\x10\x00half of a row")

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        gate = start("upstream_tls: disable", upstream=f"127.0.0.1:{port}")
        with raw(gate) as (wire, _):
            wire.sendall(message(b"Q", b"SELECT 1\0"))
            kinds = heard(wire)
            assert kinds[-1][0] == b"E"
            assert b"08006" in kinds[-1][1]
            assert b"D" not in [kind for kind, _ in kinds]


def test_without_a_record_nothing_is_run(start, database):
    gate = start(open=True)
    database.psql("CREATE TABLE IF NOT EXISTS unrecorded (n int)")
    database.psql("GRANT ALL ON unrecorded TO agents")
    with gate.connect() as connection:
        connection.execute("SELECT 1")
        full = psutil.Process(gate.process.pid)
        before = full.rlimit(psutil.RLIMIT_FSIZE)
        full.rlimit(psutil.RLIMIT_FSIZE, (0, before[1]))
        with pytest.raises(psycopg.Error) as failed:
            connection.execute("".join(["INSERT INTO unrecorded VALUES (1);"] * 3))
        assert failed.value.sqlstate == "58030"
        rows = int(database.psql("SELECT count(*) FROM unrecorded").split()[2])
        full.rlimit(psutil.RLIMIT_FSIZE, before)
    recorded = [one for one in gate.records() if "INSERT" in str(one.get("params"))]
    assert rows <= len(recorded)


def test_sigterm_ends_idle_sessions_and_lets_others_finish(start):
    gate = start(open=True)
    with gate.connect() as idle, gate.connect() as busy:
        idle.execute("SELECT 1")
        answers = []
        running = threading.Thread(
            target=lambda: answers.append(busy.execute("SELECT pg_sleep(1), 7").fetchone())
        )
        running.start()
        deadline = time.monotonic() + 10
        while not any("pg_sleep" in str(one.get("params")) for one in gate.records()):
            assert time.monotonic() < deadline
        gate.process.terminate()
        running.join(15)
        assert answers
        assert answers[0][1] == 7
        assert gate.process.wait(15) == 0
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")


def test_refusals_of_a_transaction_left_open(gate):
    with raw(gate) as (wire, _):
        wire.sendall(message(b"Q", b"BEGIN\0"))
        assert heard(wire)[-1] == (b"Z", b"T")
        wire.sendall(message(b"Q", b"SELECT * FROM secrets\0"))
        assert heard(wire)[-1] == (b"Z", b"E")
        wire.sendall(message(b"Q", b"ROLLBACK\0"))
        assert heard(wire)[-1] == (b"Z", b"I")


def test_the_same_name_is_not_prepared_twice_in_silence(gate):
    one = message(b"P", b"name\0SELECT 1\0\0\0")
    other = message(b"P", b"name\0SELECT * FROM secrets\0\0\0")
    bind, run = message(b"B", b"\0name\0\0\0\0\0\0\0"), message(b"E", b"\0\0\0\0\0")
    with raw(gate) as (wire, _):
        wire.sendall(one + message(b"S"))
        assert [kind for kind, _ in heard(wire)] == [b"1", b"Z"]
        wire.sendall(other + message(b"S"))
        error = heard(wire)[0]
        assert error[0] == b"E"
        assert b"42P05" in error[1]
        wire.sendall(bind + run + message(b"S"))
        assert b"D" in [kind for kind, _ in heard(wire)]
        with pytest.raises(InsufficientPrivilege), gate.connect() as connection:
            connection.execute("SELECT * FROM secrets")
