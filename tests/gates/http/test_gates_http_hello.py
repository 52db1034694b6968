"""The name a TLS client asks for, from its first message, whole, in pieces and broken."""

import random
import ssl

import pytest

from aegis.surfaces.gates.http.hello import NotTls, server_name


def opening(name):
    """What a client of OpenSSL sends first."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    if name is None:
        context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(into, out, server_hostname=name).do_handshake()
    return out.read()


def in_records(data, size):
    """The same message in records of another size (RFC 8446, 5.1)."""
    message = data[5:]
    cut = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in cut)


@pytest.mark.parametrize("name", ["Origin.Example", "a" * 60 + ".example", None])
def test_the_name_is_read_whole_and_in_pieces(name):
    data = opening(name)
    asked = (name or "").lower()
    assert server_name(data) == asked
    assert server_name(data + b"\x14\x03\x03\0\x01\x01") == asked
    for size in (1, 3, 100):
        assert server_name(in_records(data, size)) == asked
    for end in range(len(data)):
        assert server_name(data[:end]) is None


def test_broken_openings_are_no_tls_and_nothing_worse():
    data = opening("origin.example")
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(3_000):
        broken = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            found = server_name(bytes(broken))
        except NotTls:
            continue
        assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1",
        b"\x16\x02\0\0\x05hello",
        b"\x16\x03\x01\0\0",
        b"\x16\x03\x01\0\x04\x02\0\0\0",
        b"\x16\x03\x01\0\x04\x01\0\0\0",
        b"\x16\x03\x01\xff\xff\x01\xff\xff\xff" + b"\0" * 70_000,
    ],
)
def test_what_is_no_client_hello_is_refused(data):
    with pytest.raises(NotTls):
        server_name(data)
