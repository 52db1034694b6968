"""The Git gate and what no git client sends: a sentence that says what is wrong, nothing done."""

import gzip
import io
import resource
import socket
import time
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.surfaces.gates.git.pkt import WireError, read_push

from .conftest import ALL, World
from .hand_made import (
    CAPABILITIES,
    COMMIT,
    PUSH,
    TIP,
    TREE,
    WHOLE,
    ZERO,
    asked,
    commit_of,
    named,
    pack,
    pkt,
    request,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("gate"), ALL)
    made.clone()
    yield made
    made.stop()


def test_a_hand_made_push_passes_compressed_or_not_and_with_a_token(world):
    status, _, said = asked(world, "POST", PUSH, request("refs/heads/hand", TIP, WHOLE))
    assert (status, "ok refs/heads/hand" in said) == (200, True)
    body = gzip.compress(request("refs/heads/zip", TIP, WHOLE))
    status, _, said = asked(
        world, "POST", PUSH, body, content_encoding="gzip", authorization=f"Bearer {world.key}"
    )
    assert (status, "ok refs/heads/zip" in said) == (200, True)
    assert world.tips()["refs/heads/zip"] == TIP


@pytest.mark.soak
def test_the_packs_of_many_pushes_become_one(world):
    for number in range(55):
        data = commit_of(TREE, b"%d\n" % number)
        packed = pack((1, data), (2, b""))
        body = request(f"refs/heads/many/{number}", named(b"commit", data), packed)
        assert "ok refs/heads/many" in asked(world, "POST", PUSH, body)[2]
    assert len(list((world.folder / "home/gates").rglob("*.pack"))) < 50
    assert len([name for name in world.tips() if "many" in name]) == 55


def test_a_client_that_waits_for_permission_to_send_gets_it(world):
    body = request("refs/heads/expect", TIP, WHOLE)
    login = b64encode(f"x:{world.key}".encode()).decode()
    head = (
        f"POST {PUSH} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {login}\r\n"
        "content-type: application/x-git-receive-pack-request\r\n"
        f"expect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    host, _, port = world.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        link.sendall(head.encode())
        assert link.recv(100).startswith(b"HTTP/1.1 100 ")
        link.sendall(body)
        assert link.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"garbage", 400, "no length of a pkt-line"),
        (b"00", 400, "ends in the middle"),
        (b"0003", 400, "pkt-line of length 3"),
        (b"fff1" + b"x" * 65_525, 400, "pkt-line of length"),
        (pkt("hello") + b"0000", 400, "no ref update"),
        (request("refs/heads/../x", TIP), 400, "no name of a ref"),
        (request("HEAD", TIP), 400, "no name of a ref"),
        (request("refs/heads/a", "b" * 39), 400, "no name of an object"),
        (request("refs/heads/a", "b" * 64), 400, "two formats"),
        (pkt(f"{'0' * 64} {'b' * 64} refs/heads/a\0x") + b"0000", 400, "not of the format"),
        (pkt(f"{ZERO} {TIP} refs/heads/a\0x\0y") + b"0000", 400, "two ends"),
        (
            pkt(f"{ZERO} {TIP} refs/heads/a\0x") + pkt(f"{ZERO} {TIP} refs/heads/a") + b"0000",
            400,
            "stands there twice",
        ),
        (
            pkt(f"{ZERO} {TIP} refs/heads/a\0x") + pkt(f"{ZERO} {TIP} refs/heads/b\0x") + b"0000",
            400,
            "no ref update",
        ),
        (pkt("push-cert\0x") + pkt("certificate version 0.1\n") + b"0000", 400, "has no end"),
        (b"0000", 200, ""),
    ],
)
def test_what_is_no_request_of_git_is_refused_with_its_reason(world, body, status, words):
    before = world.tips()
    got, _, said = asked(world, "POST", PUSH, body)
    assert got == status
    assert words in said
    assert "Traceback" not in said
    assert world.tips() == before


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [pkt(f"{ZERO} {TIP} refs/heads/a\0{CAPABILITIES}"), pkt(f"{TIP} {ZERO} refs/tags/b\n"),
             pkt(f"shallow {TIP}"), pkt("push-cert\0push-options"), pkt("push-cert-end\n"),
             pkt("certificate version 0.1\n"), pkt("\n"), pkt("-----BEGIN x"), b"0000", b"0001",
             b"PACK", b"\xff", b"0004"]
        ) | st.binary(max_size=12),
        max_size=8,
    )
)  # fmt: skip
def test_whatever_comes_is_read_or_refused_and_never_read_in_part(pieces):
    source = io.BytesIO(b"".join(pieces))
    try:
        found = read_push(source)
    except WireError:
        return
    if found is not None:
        assert source.getvalue()[: found.end].endswith(b"0000")
        assert 1 <= len(found.commands) == len({one.ref for one in found.commands})


def test_without_side_bands_a_report_or_a_refusal_is_told_all_the_same(world):
    plain = "report-status object-format=sha1"
    _, _, said = asked(
        world, "POST", PUSH, request("refs/heads/plain", TIP, WHOLE, capabilities=plain)
    )
    assert said.endswith("000eunpack ok\n0018ok refs/heads/plain\n0000")
    world.server.cut = True
    try:
        body = request("refs/heads/cut2", TIP, WHOLE, capabilities=plain)
        status, _, said = asked(world, "POST", PUSH, body)
    finally:
        world.server.cut = False
    assert (status, "is not known" in said) == (403, True)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (WHOLE[:-30], "index-pack"),
        (WHOLE[:40] + b"\xff" + WHOLE[41:], "index-pack"),
        (b"PACKnonsense", "index-pack"),
        (WHOLE + b"more", "index-pack"),
        (pack((1, commit_of(TREE, b"x\n").replace(b"author", b"autor")), (2, b"")), "index-pack"),
    ],
)
def test_a_pack_that_is_none_is_refused_and_nothing_changes(world, packed, words):
    before, seen = world.tips(), len(world.server.seen)
    status, _, said = asked(world, "POST", PUSH, request("refs/heads/bad", TIP, packed))
    assert status == 200
    assert words in said
    assert "ng refs/heads/bad malformed pack" in said
    assert (world.tips(), len(world.server.seen)) == (before, seen)


def test_objects_that_nothing_refers_to_are_read_all_the_same(world):
    key = "AKIA" + "IOSFODNN7" + "EXAMPLQ"
    packed = pack((1, COMMIT), (2, b""), (3, f"key = {key}\n".encode()))
    asked(world, "POST", PUSH, request("refs/heads/smuggled", TIP, packed))
    decision, _ = world.records()[-1]
    assert "secret" in {finding["category"] for finding in decision["findings"]}


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/up/acme/site.git/info/refs", 403, "smart HTTP only"),
        ("GET", "/up/acme/site.git/info/refs?service=git-upload-archive", 403, "smart HTTP only"),
        ("GET", "/up/acme/site.git/HEAD", 403, "smart HTTP only"),
        ("GET", "/up/acme/site.git/objects/info/packs", 403, "smart HTTP only"),
        ("GET", "/up/../etc/info/refs?service=git-upload-pack", 400, "no plain path"),
        ("GET", "/up/a%2e/info/refs?service=git-upload-pack", 400, "no plain path"),
        ("GET", "/up//info/refs?service=git-upload-pack", 400, "no plain path"),
        ("GET", "/other/a/info/refs?service=git-upload-pack", 404, "no upstream `other`"),
        ("GET", "/up/no/such.git/info/refs?service=git-upload-pack", 404, "status 404"),
        ("POST", "/up/acme/site.git/info/lfs/objects/batch", 403, "LFS does not pass"),
        ("POST", "/up/acme/site.git/info/refs?service=git-upload-pack", 405, "use GET"),
        ("GET", PUSH, 405, "use POST"),
    ],
)
def test_other_requests_are_refused_in_words_that_git_shows(world, method, path, status, words):
    got, head, said = asked(world, method, path)
    assert (got, head["content-type"]) == (status, "text/plain; charset=utf-8")
    assert words in said


def test_a_push_of_another_type_is_refused(world):
    status, _, said = asked(world, "POST", PUSH, b"0000", content_type="text/plain")
    assert (status, "application/x-git-receive-pack-request" in said) == (415, True)


def test_an_upstream_that_breaks_off_leaves_open_what_became_of_it(world):
    world.server.cut = True
    try:
        status, _, said = asked(world, "POST", PUSH, request("refs/heads/cut", TIP, WHOLE))
    finally:
        world.server.cut = False
    assert status == 200
    assert "whether it took the push is not known" in said
    assert world.records()[-1][1]["status"] == "failed"


@pytest.mark.parametrize(
    ("room", "status", "words"), [(1, 503, "no room"), (4_096, 200, "the ledger failed")]
)
def test_on_a_full_disk_nothing_is_pushed(world, room, status, words):
    """With room for the push, the ledger is what cannot write."""
    before = world.tips()
    resource.prlimit(world.gate.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        got, _, said = asked(world, "POST", PUSH, request("refs/heads/full", TIP, WHOLE))
    finally:
        resource.prlimit(world.gate.pid, resource.RLIMIT_FSIZE, (-1, -1))
    assert (got, words in said) == (status, True), said
    assert str(world.folder) not in said
    assert world.tips() == before
    again = request(f"refs/heads/room-{room}", TIP, WHOLE)
    deadline = time.monotonic() + 20
    while "ok refs/heads" not in asked(world, "POST", PUSH, again)[2]:
        assert time.monotonic() < deadline, "it never recovered"
        time.sleep(0.1)
