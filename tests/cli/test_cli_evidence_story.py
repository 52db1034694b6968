"""One action from its request to the end of its credential, as evidence for somebody else."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load
from aegis.kernel.lease import lent
from aegis.model import Action, Actor

from ..gateway.services import Service

TOOL = Path(__file__).resolve().parents[2] / "tools/aegis_verify.py"
SECRET = "minted-password"
CONFIG = """
policy:
  rules: [{{ name: deploys, match: {{ type: "deploy*" }}, approval: approve }}]
approvals: {{ wait_seconds: 0 }}
credentials:
  brokers: {{ accounts: {{ type: vault, url: "{url}", token: root }} }}
  grants:
    - match: {{ type: "deploy*" }}
      broker: accounts
      scope: {{ role: deployer }}
"""
ACTION = Action(
    "deploy", "shop", {"version": "1.4.2"}, actor=Actor("carol", "bot", "release"), id="a-1"
)
STORY = [
    ("approval", "requested"),
    ("approval", "expired"),
    ("decision", "block"),
    ("approval", "requested"),
    ("approval", "approved"),
    ("decision", "allow"),
    ("credential.mint", "ok"),
    ("outcome", "performed"),
    ("credential.revoke", "ok"),
]
"""What one session's records tell: it was asked for, waited, was approved, and happened."""


@pytest.fixture
def story(aegis, folder):
    """The folder in which it happened."""
    data = {"username": "u", "password": SECRET}
    lease = {"lease_id": "database/creds/deployer/1", "lease_duration": 60, "data": data}
    vault = Service({"/creds/deployer": (200, lease), "/revoke": (204, None)})
    (folder / "aegis.yaml").write_text(CONFIG.format(url=vault.url))

    def ask(perform):
        runtime = open_runtime(load(env={}, cwd=folder))
        try:
            return runtime.govern(ACTION, perform)
        finally:
            runtime.close()

    waiting = ask(lambda _: pytest.fail("performed"))
    aegis("approve", waiting.approval, "--comment", "looked at the diff")
    done = ask(lambda _: {"deployed": "1.4.2", "as": lent().fields["username"]})
    assert done.ok
    vault.close()
    return folder


def entries(file):
    """The records in an exported file, in order."""
    found = []
    lines = file.read_text().splitlines()
    for head, body in pairwise(lines):
        if head.startswith("aegis/1 "):
            kind = head.split(" ")[2]
            found.append((kind, json.loads(body)))
    return found


def verified(file, *arguments, code=0):
    """What the verifier says that needs nothing of Aegis."""
    done = subprocess.run(
        [sys.executable, "-I", TOOL, file, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def said(kind, body):
    return body["event"] if kind == "admin" else kind


def test_the_bundle_tells_the_whole_story_and_verifies(aegis, story):
    aegis("evidence", "export", "--session", "release", "--out", "story.txt")
    key = story / ".aegis/ledger.pub"
    assert "verified: 9 records" in aegis("verify", "story.txt", "--key", key).out
    assert "verified: 9 records" in verified("story.txt", "--key", key)
    found = entries(story / "story.txt")
    # a thread of its own ends the credential: its record may stand before that of the outcome
    found.sort(key=lambda one: said(*one) == "credential.revoke")
    words = {"approval": "state", "decision": "verdict", "outcome": "status", "admin": "outcome"}
    assert [(said(kind, body), body[words[kind]]) for kind, body in found] == STORY
    asked, answered = found[3][1], found[4][1]
    decision, minted, outcome, ended = (found[at][1] for at in (5, 6, 7, 8))
    # the request, and what the approval was given for
    assert decision["params"] == {"version": "1.4.2"}
    assert decision["actor"]["agent"] == "bot"
    assert asked["digest"] == answered["digest"]
    assert answered["comment"] == "looked at the diff"
    assert answered["approval"] == decision["approval"]
    assert answered["policy"] == decision["policy"]
    # where the credential came from, and that it ended
    provenance = minted["details"]
    assert provenance["action"] == decision["action"] == outcome["action"] == "a-1"
    assert provenance["scope"]["role"] == "deployer"
    assert provenance["fingerprint"].startswith("sha256:")
    assert ended["details"]["lease"] == provenance["lease"]
    # the result, and no secret
    assert outcome["result"]["deployed"] == "1.4.2"
    assert SECRET not in (story / "story.txt").read_text()


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ('"version":"1.4.2"', '"version":"6.6.6"'),
        ("looked at the diff", "looked at the wall"),
        ('"role":"deployer"', '"role":"superusr"'),
        ('"state":"approved"', '"state":"declined"'),
        ('"status":"performed"', '"status":"forgotten"'),
    ],
)
def test_no_part_of_it_can_be_told_otherwise(aegis, story, word, other):
    aegis("evidence", "export", "--session", "release", "--out", "story.txt")
    text = (story / "story.txt").read_text()
    assert word in text
    (story / "story.txt").write_text(text.replace(word, other))
    assert "REFUSED" in aegis("verify", "story.txt", code=1).out
    assert "REFUSED" in verified("story.txt", code=1)


def test_the_whole_ledger_verifies_with_the_answer_as_it_was_given(aegis, story):
    aegis("evidence", "export", "--out", "all.txt")
    for told in (aegis("verify", "all.txt").out, verified("all.txt")):
        assert "verified: 10 records" in told
    (answer,) = [
        body for kind, body in entries(story / "all.txt") if said(kind, body) == "approval.answer"
    ]
    assert answer["details"]["state"] == "approved"
    assert "# Evidence report" in aegis("evidence", "report", "all.txt").out
