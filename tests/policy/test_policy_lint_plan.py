"""Plan rules, and what is legal but surely not meant."""

import pytest

from aegis.model import Action, Approval, RiskLevel, Verdict
from aegis.policy import Policy, lint


def plan_of(rules, types, **defaults):
    policy = Policy.from_dict({"defaults": {"verdict": "allow", **defaults}, "plan_rules": rules})
    return policy.evaluate_plan([Action(t) for t in types])


EXFILTRATION = {
    "sequence_patterns": [
        {
            "name": "exfiltration",
            "steps": ["read*", "encode*", "send*"],
            "description": "data leaves",
        }
    ]
}


@pytest.mark.parametrize(
    ("types", "window", "involved"),
    [
        (["read_a", "encode", "send"], 0, ["read_a", "encode", "send"]),
        (["READ_a", "x", "encode", "y", "Send"], 0, ["READ_a", "encode", "Send"]),
        (["send", "encode", "read"], 0, None),
        (["read", "send", "encode"], 0, None),
        (["read", "x", "encode", "send"], 3, None),
        (["read", "x", "encode", "send"], 4, ["read", "encode", "send"]),
        (["read_1", "x", "x", "read_2", "encode", "send"], 3, ["read_2", "encode", "send"]),
        (
            ["read_1", "encode_1", "read_2", "x", "encode_2", "send"],
            4,
            ["read_2", "encode_2", "send"],
        ),
        ([], 0, None),
    ],
)
def test_sequences(types, window, involved):
    rules = {"sequence_patterns": [{**EXFILTRATION["sequence_patterns"][0], "window": window}]}
    found = plan_of(rules, types)
    assert [[a.type for a in v.involved] for v in found] == ([involved] if involved else [])


def test_one_action_may_be_two_steps_only_once():
    assert not plan_of({"sequence_patterns": [{"steps": ["a*", "a*"]}]}, ["ab"])
    assert plan_of({"sequence_patterns": [{"steps": ["a*", "a*"]}]}, ["ab", "ac"])


def test_a_violation_speaks_the_words_of_policy_files():
    (found,) = plan_of(EXFILTRATION, ["read", "encode", "send"])
    assert (found.rule_name, found.approval, found.risk_level) == (
        "exfiltration",
        Approval.BLOCK,
        RiskLevel.CRITICAL,
    )
    assert found.description == "data leaves"
    assert len(found.involved_actions) == 3
    stated = {"sequence_patterns": [{"steps": "x", "approval": "approve", "risk_level": "low"}]}
    (found,) = plan_of(stated, ["x"])
    assert (found.rule, found.verdict, found.risk) == ("sequence_0", Verdict.REVIEW, RiskLevel.LOW)


def test_cumulative_risk():
    rules = {"cumulative_risk": {"max_total_risk": 6, "on_exceed": "approve"}}
    assert plan_of(rules, ["x"] * 3) == []
    (found,) = plan_of(rules, ["x"] * 4)
    assert (found.rule, found.verdict) == ("cumulative_risk", Verdict.REVIEW)
    assert "adds up to 8; at most 6" in found.description
    assert plan_of(rules, ["x"] * 2, risk_level="critical")
    policy = Policy.from_dict(
        {
            "rules": [
                {"name": "r", "match": {"type": "big"}, "verdict": "block"},
                {"name": "s", "verdict": "allow"},
            ],
            "plan_rules": {"cumulative_risk": {"max_total_risk": 4, "name": "total"}},
        }
    )
    assert policy.evaluate_plan([Action("big")]) == []
    assert policy.evaluate_plan([Action("big"), Action("small")])[0].rule == "total"


def said(rules, **sections):
    return [(p.path, p.message) for p in lint(Policy.from_dict({"rules": rules, **sections}))]


def test_a_good_policy_has_no_complaints():
    assert (
        said(
            [
                {"name": "a", "match": {"type": "delete*"}, "verdict": "block"},
                {"name": "b", "match": {"type": "read*", "capability": "read"}, "verdict": "allow"},
                {"name": "c", "match": {"type": "read*"}, "verdict": "allow"},
                {
                    "name": "d",
                    "match": {"type": "pay"},
                    "verdict": "block",
                    "conditions": {"param_gt": {"n": 1}},
                },
                {"name": "e", "match": {"type": "pay"}, "verdict": "allow"},
                {"name": "f", "verdict": "review"},
            ]
        )
        == []
    )


def test_rules_that_are_never_reached():
    rules = [{"name": "all", "verdict": "review"}, {"name": "late", "match": {"type": "x"}}]
    assert said(rules) == [("late", "rule `all` before it already covers every action it names")]
    same = [
        {"name": "a", "match": {"type": ["x", "y"]}, "verdict": "block"},
        {"name": "b", "match": {"type": ["Y", "X"], "target": "t"}, "verdict": "allow"},
    ]
    assert [path for path, _ in said(same)] == ["b"]
    assert said([{"name": "off", "enabled": False}, {"name": "a", "match": {"type": "x"}}]) == []


def test_names_that_records_cannot_tell_apart():
    rules = [{"name": "a", "match": {"type": "x"}}, {"name": "a", "match": {"type": "y"}}]
    assert said(rules) == [("a", "another rule is also called `a`")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"verdict": "allow"}, "allows everything"),
        ({"match": {"type": "*", "target": "**"}, "verdict": "sanitize"}, "allows everything"),
        ({"match": {"capability": "{read,delete}"}, "verdict": "allow"}, "that can delete"),
        ({"match": {"protocol": "mpc"}}, "protocol `mpc` does not exist"),
        ({"match": {"capability": "remove"}}, "capability `remove` does not exist"),
        ({"match": {"type": "x"}, "conditions": {"timezone": "UTC"}}, "has no effect"),
    ],
)
def test_single_rules(rule, message):
    ((path, found),) = said([{"name": "r", **rule}])
    assert path == "r"
    assert message in found


def test_complaints_have_places():
    (problem,) = lint(Policy.from_text("rules:\n  - name: r\n    verdict: allow\n", "p.yaml"))
    assert str(problem).startswith("p.yaml:2:5: r: allows everything")
