"""The Git gate when something ends or is missing: nothing half done, and a record of it."""

import json
import signal
import socket
import subprocess
import threading
import time
from base64 import b64encode
from hashlib import sha1

import pytest

from .conftest import AEGIS, run


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


def test_a_history_that_is_too_large_leaves_a_push_to_people(make):
    """What cannot be compared is undecided, whatever the policy says."""
    world = make(gate="history_bytes: 1048576")
    seed = world.folder / "seed"
    noise = b"".join(sha1(b"%d" % n).digest() for n in range(150_000))
    world.commit({"large.bin": noise}, work=seed)
    run("git", "push", "-q", world.bare, "main", cwd=seed)
    world.clone()
    run("git", "checkout", "-q", "-b", "fix/large", cwd=world.work)
    world.commit({"a": "1\n"})
    done = world.push("origin", "fix/large")
    assert "could not be fetched" in world.records()[-1][0]["params"]["unread"]
    assert "needs approval" in done.stderr
    kept = sum(file.stat().st_size for file in (world.folder / "home/gates").rglob("*.pack"))
    assert kept <= 1 << 20


def test_a_signed_push_is_read_within_its_certificate(make):
    world = make()
    run("git", "config", "receive.certNonceSeed", "seed", cwd=world.bare)
    world.clone()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", world.folder / "key", cwd=world.folder)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", world.folder / "key.pub")):
        run("git", "config", name, value, cwd=world.work)
    run("git", "checkout", "-q", "-b", "fix/signed", cwd=world.work)
    tip = world.commit({"a": "1\n"})
    world.push("--signed", "-o", "ci.skip", "origin", "fix/signed", ok=True)
    assert world.tips()["refs/heads/fix/signed"] == tip
    params = world.records()[-1][0]["params"]
    assert params["updates"][0]["ref"] == "refs/heads/fix/signed"
    assert params["push_options"] == ["ci.skip"]
    assert params["signer"]


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
