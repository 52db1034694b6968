"""Deciding, explaining and simulating agree, whatever the policy and the action."""

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.model import Action, Actor, Finding
from aegis.policy import Policy

MONDAY = 1_794_834_000_000_000
"""16 November 2026, 13:00 UTC, in microseconds."""

WEDNESDAY = MONDAY + 44 * 3_600_000_000

NAMES = st.sampled_from(
    [
        "delete",
        "Delete_all",
        "bulk_delete",
        "read",
        "github.repos.list",
        "a/b",
        "x y",
        "../a",
        "docs/../b",
        "",
        "dеlete",
        "q" * 17_000,
    ]
)
PATTERNS = st.sampled_from(
    [
        "*",
        "**",
        "delete*",
        "*delete*",
        "read",
        "github.*",
        "github.**",
        "a/*",
        "a/**",
        "**/b",
        "x *",
        "x*",
        "?*",
        "{a,x}*",
        "[a-z]*",
    ]
)
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "param_gt": st.just({"n": 5}),
        "param_eq": st.just({"m": "x"}),
        "time_after": st.just("12:00"),
        "weekdays": st.just([1, 2]),
        "label": st.just("web*"),
        "flow": st.just({"from": "untrusted", "to": "external"})
        | st.just({"from": "*", "to": ["*"], "as": "session"}),
        "finding": st.just("pii"),
        "param_not_in": st.just({"a[].b": [1]}),
        "semantic": st.just("destructive"),
    },
)
CONDITIONS = (
    SIMPLE
    | st.builds(lambda a, b: {"any": [a, b]}, SIMPLE.filter(bool), SIMPLE.filter(bool))
    | st.builds(lambda a: {"not": a}, SIMPLE.filter(bool))
)
RULES = st.fixed_dictionaries(
    {
        "match": st.fixed_dictionaries(
            {},
            optional={
                "type": PATTERNS,
                "target": PATTERNS,
                "label": PATTERNS,
                "agent": st.sampled_from(["*", "b*", "bot"]),
                "capability": st.sampled_from(["read", "{read,delete}"]),
                "protocol": st.sampled_from(["mcp", "{git,python}"]),
                "tenant": st.just("t*"),
                "environment": st.just("prod"),
            },
        ),
        "conditions": CONDITIONS,
        "verdict": st.sampled_from(["allow", "sanitize", "review", "block"]),
    }
)
VALUES = st.sampled_from(
    [None, 1, 6, "6", "x", "X", [], [{"b": 1}], [{"b": 2}, {}], math.nan, True]
)
ACTIONS = st.builds(
    lambda name, target, protocol, agent, capability, tenant, environment, params, labels: Action(
        name,
        target,
        params,
        protocol=protocol,
        actor=Actor(agent=agent, tenant=tenant),
        capability=capability,
        environment=environment,
        labels=labels,
    ),
    NAMES,
    NAMES,
    st.sampled_from(["python", "mcp", "git", "shell", "MCP"]),
    st.sampled_from(["", "bot", "Bob"]),
    st.sampled_from(["", "read", "delete"]),
    st.sampled_from(["", "t1"]),
    st.sampled_from(["", "prod"]),
    st.dictionaries(st.sampled_from(["n", "m", "N", "a"]), VALUES, max_size=3),
    st.sampled_from([(), ("web",), ("x",)]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(RULES, max_size=6),
    st.sampled_from(["allow", "block"]),
    st.lists(ACTIONS, min_size=1, max_size=6),
    st.sampled_from([0, MONDAY, WEDNESDAY]),
    st.sampled_from([(), (Finding("g", "r", "pii"),)]),
    st.sampled_from([(), ("web-1",)]),
)
def test_decide_explain_and_simulate_agree(rules, default, actions, now, findings, labels):
    policy = Policy.from_dict({"defaults": {"verdict": default}, "rules": rules})
    for action in [*actions, *actions]:
        context = {"now": now, "findings": findings, "labels": labels}
        decision = policy.decide(action, **context)
        assert policy.explain(action, **context).decision == decision
        fresh = Policy.from_dict(policy.to_dict())
        assert fresh.evaluate(action, **context) == decision
        if not findings:
            assert policy.simulate([action], now=now, labels=labels) == [decision]
