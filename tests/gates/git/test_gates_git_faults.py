"""The Git gate when something goes wrong: nothing half done, and a sentence that says what."""

import gzip
import http.client
import json
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib
from base64 import b64encode
from hashlib import sha1

import pytest

from .conftest import AEGIS, ALL, World, run

ZERO = "0" * 40
PUSH = "/up/acme/site.git/git-receive-pack"
CAPABILITIES = "report-status side-band-64k object-format=sha1"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("gate"), ALL)
    made.clone()
    yield made
    made.stop()


def pkt(text):
    data = text.encode() if isinstance(text, str) else text
    return b"%04x%b" % (len(data) + 4, data)


def pack(*objects):
    """A pack of whole objects, each its type's number and its content (gitformat-pack(5))."""
    body = b"PACK" + struct.pack(">II", 2, len(objects))
    for kind, data in objects:
        size, head = len(data), []
        first = (kind << 4) | (size & 15)
        size >>= 4
        while size:
            head.append(first | 128)
            first, size = size & 127, size >> 7
        body += bytes([*head, first]) + zlib.compress(data)
    return body + sha1(body).digest()


def named(kind, data):
    return sha1(b"%b %d\0%b" % (kind, len(data), data)).hexdigest()


def commit_of(tree, message=b"x\n"):
    who = b"a <a@b.example> 1700000000 +0000"
    return b"tree %b\nauthor %b\ncommitter %b\n\n%b" % (tree.encode(), who, who, message)


def asked(world, method, path, body=b"", key=None, **fields):
    """One request of a client that is no git: status, headers, body."""
    host, _, port = world.address.rpartition(":")
    link = http.client.HTTPConnection(host, int(port), timeout=30)
    login = b64encode(f"x:{key or world.key}".encode()).decode()
    head = {"authorization": f"Basic {login}"}
    if method == "POST":
        head["content-type"] = f"application/x-{path.rpartition('/')[2]}-request"
    head |= {name.replace("_", "-"): value for name, value in fields.items()}
    link.request(method, path, body, head)
    with link.getresponse() as answer:
        return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")


def request(ref, new, packed=b"", old=ZERO, capabilities=CAPABILITIES):
    return pkt(f"{old} {new} {ref}\0{capabilities}") + b"0000" + packed


TREE = named(b"tree", b"")
COMMIT = commit_of(TREE)
TIP = named(b"commit", COMMIT)
WHOLE = pack((1, COMMIT), (2, b""))


def test_a_hand_made_push_passes_compressed_or_not_and_with_a_token(world):
    status, _, said = asked(world, "POST", PUSH, request("refs/heads/hand", TIP, WHOLE))
    assert (status, "ok refs/heads/hand" in said) == (200, True)
    body = gzip.compress(request("refs/heads/zip", TIP, WHOLE))
    status, _, said = asked(
        world, "POST", PUSH, body, content_encoding="gzip", authorization=f"Bearer {world.key}"
    )
    assert (status, "ok refs/heads/zip" in said) == (200, True)
    assert world.tips()["refs/heads/zip"] == TIP


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


def test_killed_in_the_middle_of_a_push_the_upstream_has_all_or_nothing(make):
    world = make()
    world.clone()
    reached, go = threading.Event(), threading.Event()

    def held():
        reached.set()
        assert go.wait(60)

    world.server.before_push = held
    run("git", "checkout", "-q", "-b", "fix/killed", cwd=world.work)
    tip = world.commit({"a": "1\n"})
    client = subprocess.Popen(
        ["git", "push", "-q", "origin", "fix/killed"], cwd=world.work, stderr=subprocess.PIPE
    )
    assert reached.wait(60)
    world.gate.send_signal(signal.SIGKILL)
    world.gate.wait(20)
    go.set()
    assert client.wait(60) != 0
    client.stderr.close()
    deadline = time.monotonic() + 20
    while "refs/heads/fix/killed" not in world.tips() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert world.tips()["refs/heads/fix/killed"] == tip
    world.server.before_push = None
    world.start()
    decision, outcome = world.records()[-1]
    assert (decision["verdict"], outcome["status"]) == ("allow", "unknown")


def test_asked_to_end_it_finishes_the_push_under_way_and_waits_for_nobody(make):
    world = make()
    world.clone()
    reached, go = threading.Event(), threading.Event()

    def held():
        reached.set()
        assert go.wait(60)

    world.server.before_push = held
    run("git", "checkout", "-q", "-b", "fix/drained", cwd=world.work)
    world.commit({"a": "1\n"})
    client = subprocess.Popen(["git", "push", "-q", "origin", "fix/drained"], cwd=world.work)
    assert reached.wait(60)
    host, _, port = world.address.rpartition(":")
    unused = socket.create_connection((host, int(port)), timeout=30)
    world.gate.terminate()
    go.set()
    assert client.wait(60) == 0
    with unused:
        assert world.gate.wait(5) == 0
    assert world.records()[-1][1]["status"] == "performed"


def test_repositories_with_sha256_pass(make):
    world = make(form="sha256")
    world.clone()
    run("git", "checkout", "-q", "-b", "fix/long", cwd=world.work)
    tip = world.commit({"a": "1\n"})
    world.push("origin", "fix/long", ok=True)
    assert (world.tips()["refs/heads/fix/long"], len(tip)) == (tip, 64)
    run("git", "commit", "-q", "--amend", "-m", "other", cwd=world.work)
    world.push("--force", "origin", "fix/long", ok=True)
    assert world.records()[-1][0]["params"]["updates"][0]["change"] == "force"


NO_HISTORY = """
defaults: { verdict: allow }
rules:
  - { name: no-history, match: { type: git.fetch }, verdict: block }
  - { name: no-force, match: { label: "danger:force-push" }, verdict: block }
"""


def test_a_history_that_may_not_be_fetched_counts_as_replaced(make):
    world = make(NO_HISTORY)
    run("git", "clone", "-q", world.bare, world.work, cwd=world.folder)
    run("git", "remote", "set-url", "origin", world.url(), cwd=world.work)
    world.commit({"a": "1\n"})
    done = world.push("origin", "main")
    assert "refused by rule no-force" in done.stderr


MASKS = "guardrails: { secrets: { options: { arguments: mask } } }"


def test_a_push_is_not_rewritten_but_refused(make):
    world = make(more=MASKS)
    world.clone()
    run("git", "checkout", "-q", "-b", "fix/mask", cwd=world.work)
    world.commit({"a": "key = " + "AKIA" + "IOSFODNN7" + "EXAMPLQ\n"})
    done = world.push("origin", "fix/mask")
    assert "a push cannot be rewritten" in done.stderr
    assert "refs/heads/fix/mask" not in world.tips()


LENT = """
credentials:
  brokers: {{ own: {{ type: static, fields: {{ token: {token} }} }} }}
  grants:
    - {{ match: {{ protocol: git, type: git.push, target: up/acme/* }}, broker: own }}
"""


def test_a_lent_credential_goes_to_the_upstream_of_its_action_only(make):
    lent = "lent-token-" + "5" * 20
    world = make(more=LENT.format(token=lent))
    world.clone()
    run("git", "checkout", "-q", "-b", "fix/lent", cwd=world.work)
    world.commit({"a": "1\n"})
    # the server takes its own token only, so the push fails; what was shown to it is what counts
    done = world.push("origin", "fix/lent")
    assert "did not accept the credential" in done.stderr
    assert lent not in done.stderr
    login = "Basic " + b64encode(f"x-access-token:{lent}".encode()).decode()
    shown = {
        (method, path): {k.lower(): v for k, v in fields.items()}["authorization"] == login
        for method, path, fields in world.server.seen
        if any(key.lower() == "authorization" for key in fields)
    }
    assert [path for (_, path), was_lent in shown.items() if was_lent] == [
        "/acme/site.git/git-receive-pack"
    ]
    assert lent not in json.dumps(world.records())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gates: {}", "gates.git.upstreams"),
        ('gates: { git: { upstreams: { "a/b": { url: "https://x.example" } } } }', "a name holds"),
        ("gates: { git: { upstreams: { a: { url: 'https://u:p@x.example' } } } }", "https://host"),
        (
            "gates: { git: { listen: '0.0.0.0:0', require_key: false, "
            "upstreams: { a: { url: 'https://x.example' } } } }",
            "require_key",
        ),
    ],
)
def test_what_cannot_be_served_is_said_at_the_start(tmp_path, text, words):
    (tmp_path / "aegis.yaml").write_text(text)
    done = run(AEGIS, "gate", "git", cwd=tmp_path, ok=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
