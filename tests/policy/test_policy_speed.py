"""What a decision costs, in yardsticks: the time of sha256 over 1 KiB in the same process."""

import gc
import hashlib
import os
import subprocess
import sys
import time

import pytest

from aegis.model import Action, Verdict
from aegis.policy import Policy

VERBS = ("read", "write", "delete", "list", "update")


def policy_of(count):
    """Rules over protocol, type and target, and some over parameters, as gateways have them."""
    rules = []
    for index in range(count - 1):
        rule = {
            "name": f"r{index}",
            "verdict": ("allow", "review", "block")[index % 3],
            "match": {
                "protocol": ("mcp", "git", "http")[index % 3],
                "type": f"server{index}.{VERBS[index % 5]}_*",
            },
        }
        if index % 4 == 1:
            rule["match"]["target"] = f"team{index}/**"
        if index % 10 == 3:
            rule["conditions"] = {"param_gt": {"count": 100}}
        rules.append(rule)
    rules.append(
        {"name": "last", "verdict": "allow", "match": {"protocol": "mcp", "type": "github.list_*"}}
    )
    return Policy.from_dict({"rules": rules})


def cost(work, loops=2_000, rounds=25):
    """Least seconds of one call over several rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(loops):
            work()
        best = min(best, time.perf_counter() - start)
    return best / loops


def measure():
    """Yardsticks per decision, by case."""
    block = b"x" * 1024
    found = {}
    actions = {
        "allow on the last rule": Action("github.list_repos", "org/repo", protocol="mcp"),
        "no match": Action("fly", "org/repo", protocol="mcp"),
        "a target rule blocks": Action("server5.read_x", "team5/a/b", protocol="http"),
        "a condition fails": Action("server3.list_x", "t", {"count": 5}, protocol="mcp"),
    }
    gc.disable()
    try:
        for count in (20, 1_000):
            policy = policy_of(count)
            for name, action in actions.items():

                def work(decide=policy.decide, action=action):
                    decide(action)

                work()
                ratios = []
                for _ in range(3):
                    yardstick = cost(lambda: hashlib.sha256(block).digest(), 2_000, 8)
                    ratios.append(cost(work, 2_000, 8) / yardstick)
                found[count, name] = min(ratios)
    finally:
        gc.enable()
    return found


def test_decisions_stay_inside_their_budget():
    # in a process of its own, where no tracer that counts lines is in the way
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, __file__], env=env, capture_output=True, text=True, check=True
    )
    found = dict(line.split(": ") for line in done.stdout.splitlines())
    # Twice the budget, since neighbours share the machine tests run on.
    for count, budget in ((20, 0.5), (1_000, 1.0)):
        for name in ("allow on the last rule", "no match"):
            case = f"{count:5} rules, {name}"
            assert float(found[case].removesuffix(" Y")) < 2 * budget, done.stdout


@pytest.mark.parametrize("count", [20, 1_000])
def test_the_measured_actions_are_decided_as_meant(count):
    policy = policy_of(count)
    first = policy.decide(Action("github.list_repos", "x", protocol="mcp"))
    assert (first.verdict, first.rule) == (Verdict.ALLOW, "last")
    assert policy.decide(Action("fly", protocol="mcp")).rule == "<default>"
    assert policy.decide(Action("server5.read_x", "team5/a", protocol="http")).rule == "r5"


if __name__ == "__main__":
    for (rule_count, case), ratio in measure().items():
        print(f"{rule_count:5} rules, {case}: {ratio:.2f} Y")
