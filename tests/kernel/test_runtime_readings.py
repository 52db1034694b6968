"""What the door makes of commands and statements, and what it never lets through."""

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Verdict
from aegis.policy import Policy


@pytest.fixture
def runtime(tmp_path):
    """Everything is allowed that is not undecided."""
    loaded = parse({"home": str(tmp_path), "guardrails": {}, "approvals": {"wait_seconds": 0}})
    policy = Policy.from_dict({"defaults": {"verdict": "allow"}, "rules": []})
    opened = open_runtime(loaded, policy=policy)
    yield opened
    opened.close()


def test_the_flow_sees_what_a_command_would_do(runtime):
    seen = []
    action = Action("Bash", params={"command": "sudo rm -rf /etc"}, protocol="shell")
    runtime.govern(action, seen.append)
    (decided,) = seen
    assert decided.capability == "delete"
    assert "danger:rm-system" in decided.labels
    assert ("privilege", "root") in [(r.kind, r.name) for r in decided.resources]


@pytest.mark.parametrize(
    ("protocol", "params"),
    [
        ("shell", {"command": "$(cat x)"}),
        ("shell", {"command": "echo 'a"}),
        ("shell", {"command": 7}),
        ("sql", {"sql": "SELEKT 1"}),
        ("sql", {"query": "CALL p()"}),
        ("http", {"url": "http://"}),
        ("git", {"updates": [7]}),
    ],
)
def test_what_nobody_can_read_is_never_allowed(runtime, protocol, params):
    performed = []
    outcome = runtime.govern(Action("x", params=params, protocol=protocol), performed.append)
    assert performed == []
    assert outcome.verdict >= Verdict.REVIEW
    assert "cannot be read" in outcome.reason


def test_what_is_read_is_what_is_performed(runtime):
    """The caller changes its list after the decision, from the performance of another."""
    words = ["ls"]
    seen = []

    def perform(decided):
        words[:] = ["rm", "-rf", "/"]
        seen.append(decided.params["argv"])

    runtime.govern(Action("x", params={"argv": words}, protocol="shell"), perform)
    assert seen == [["ls"]]


def test_the_environment_comes_from_the_call(runtime):
    action = Action("q", params={"sql": "SELECT 1", "database": "shop_prod"}, protocol="sql")
    seen = []
    runtime.govern(action, seen.append)
    assert (seen[0].environment, seen[0].capability) == ("prod", "read")
