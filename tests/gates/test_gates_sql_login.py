"""Who comes in through the SQL gate, and how the gate itself gets in at the server."""

import contextlib
import datetime
import ipaddress
import socket
import struct
import time

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def test_a_key_is_needed(gate):
    for password in ("", "sk-aegis-wrong", "upstream-password"):
        with pytest.raises(psycopg.OperationalError, match=r"key|password"):
            gate.connect(password=password)


def test_a_revoked_key_is_none(start):
    gate = start()
    assert gate.works()
    gate.aegis("keys", "revoke", "tester")
    with pytest.raises(psycopg.OperationalError, match="revoked"):
        gate.works()


def test_only_open_databases_are_opened(start):
    gate = start('databases: ["app_*"]')
    with pytest.raises(psycopg.OperationalError, match="not open here"):
        gate.works()


def test_connections_are_bounded(start):
    gate = start("connections: 2")
    crowded = pytest.raises(psycopg.OperationalError, match="too many connections")
    with gate.connect(), gate.connect(), crowded:
        gate.connect(sslmode="disable", gssencmode="disable")
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            assert gate.works()
            break
        assert time.monotonic() < deadline


def test_who_does_not_log_in_is_let_go(start):
    gate = start("connect_seconds: 0.5")
    with socket.create_connection(("127.0.0.1", gate.port), timeout=15) as wire:
        wire.sendall(b"\0\0\0\x20")
        assert b"did not log in in time" in rest_of(wire)


def rest_of(wire):
    """Everything up to the end of the connection."""
    found = b""
    while piece := wire.recv(4096):
        found += piece
    return found


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


def test_tls_to_clients_and_to_another_gate_as_server(start, tmp_path):
    pem, secret = certificate(tmp_path)
    tls = f'certificate: "{pem}", private_key: "{secret}"'
    inner = start(tls, open=True)
    with inner.connect(sslmode="verify-ca", sslrootcert=str(pem)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use
    with socket.create_connection(("127.0.0.1", inner.port), timeout=15) as wire:
        # a startup message smuggled in before the handshake
        wire.sendall(struct.pack("!II", 8, 80877103) + b"\0\0\0\x0e\0\x03\0\0user\0")
        assert b"before the TLS handshake" in rest_of(wire)
    trust = f'upstream_tls: verify-full, upstream_ca: "{pem}"'
    outer = start(trust, f"127.0.0.1:{inner.port}")
    with pytest.raises(psycopg.OperationalError, match="refused the login of the gate"):
        outer.works()  # TLS stood; the password is none of the inner gate's keys


def test_the_gate_logs_in_by_scram(database, start):
    hba = f"{database.folder}/pg_hba.conf"
    with open(hba) as file:
        before = file.read()
    try:
        with open(hba, "w") as file:
            file.write("local all agents scram-sha-256\n" + before)
        database.psql("SELECT pg_reload_conf()")
        gate = start()
        assert gate.works()
        wrong = start("password: wrong")
        with pytest.raises(psycopg.OperationalError, match="login"):
            wrong.works()
    finally:
        with open(hba, "w") as file:
            file.write(before)
        database.psql("SELECT pg_reload_conf()")


def test_other_machines_need_a_key(start):
    with pytest.raises(AssertionError, match="can be reached from other machines"):
        start('require_key: false, listen: "0.0.0.0:0"')


def test_a_session_is_an_action_that_policy_decides(gate):
    with pytest.raises(psycopg.OperationalError, match="refused by rule `closed`"):
        gate.connect(dbname="template1")
    with gate.connect() as connection:
        connection.execute("SELECT 4711")
    records = gate.records()
    statement = next(one for one in records if "4711" in str(one.get("params")))
    session = next(one for one in records if one.get("action") == statement["parent"])
    assert session["type"] == "sql.connect"


LENDING = """
credentials:
  brokers:
    logins: {{ type: postgres, host: "{host}", database: postgres, user: maker, password: maker }}
  grants:
    - match: {{ type: sql.connect }}
      broker: logins
      scope: {{ roles: [agents], read_only: false }}
"""


def test_a_session_may_have_a_login_of_its_own(start, database):
    gate = start("password: wrong", open=True, more=LENDING.format(host=database.folder))
    with gate.connect() as connection:
        login = connection.execute("SELECT session_user").fetchone()[0]
        assert login.startswith("aegis_")
        assert connection.execute("SELECT n FROM notes WHERE n = 1").fetchone() == (1,)
    there = f"SELECT count(*) FROM pg_roles WHERE rolname = '{login}'"
    deadline = time.monotonic() + 20
    while " 0\n" not in database.psql(there):
        assert time.monotonic() < deadline, "the login is still there"
        time.sleep(0.05)
