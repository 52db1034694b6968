"""Decisions: three-valued conditions, reasons, near misses, and that every way agrees."""

import math
from decimal import Decimal

import pytest

from aegis.model import Action, Actor, Finding, Near, RiskLevel, Verdict
from aegis.policy import Policy


def decide(verdict, conditions, params=None, default="sanitize", **context):
    """The verdict of one rule with conditions; the default where it does not apply."""
    policy = Policy.from_dict(
        {
            "defaults": {"verdict": default},
            "rules": [
                {"name": "r", "match": {"type": "t"}, "conditions": conditions, "verdict": verdict}
            ],
        }
    )
    action = Action("t", params={} if params is None else params)
    decision = policy.decide(action, **context)
    assert policy.explain(action, **context).decision == decision
    return decision


def applies(verdict, conditions, params=None, **context):
    return decide(verdict, conditions, params, **context).rule == "r"


UNDECIDED = [
    ({"param_gt": {"n": 1}}, {"n": None}),
    ({"param_gt": {"n": 1}}, {"n": [5]}),
    ({"param_gt": {"n": 1}}, {"n": {"a": 5}}),
    ({"param_gt": {"n": 1}}, {"n": True}),
    ({"param_gt": {"n": 1}}, {"n": math.nan}),
    ({"param_gt": {"n": 1}}, {"n": math.inf}),
    ({"param_gt": {"n": 1}}, {"n": "many"}),
    ({"param_gt": {"n": 1}}, {"n": "9" * 100}),
    ({"param_lt": {"n": 1}}, {"n": b"5"}),
    ({"param_lte": {"n": 1}}, {"n": object()}),
    ({"param_gte": {"a.b": 1}}, {"a": '{"b": 5}'}),
    ({"param_gte": {"a[].b": 1}}, {"a": {"b": 5}}),
    ({"param_gte": {"a[]": 1}}, {"a": [0, 5]}),
    ({"param_eq": {"a[].b": 1}}, {"a": [{"b": 1}, {}]}),
    ({"param_eq": {"e": "prod"}}, {"e": "PROD"}),
    ({"param_eq": {"e": "prod"}}, {"e": ["prod"]}),
    ({"param_eq": {"e": ["prod"]}}, {"e": "prod"}),
    ({"param_eq": {"e": ["prod", 1]}}, {"e": ["PROD", 1]}),
    ({"param_eq": {"e": {"to": "prod"}}}, {"e": {"To": "prod"}}),
    ({"param_eq": {"e": [1]}}, {"e": [True]}),
    ({"param_eq": {"e": {"n": 1}}}, {"e": {"n": True}}),
    ({"param_eq": {"e": "prod"}}, {"e": "рrod"}),
    ({"param_eq": {"e": True}}, {"e": "true"}),
    ({"param_eq": {"e": True}}, {"e": 1}),
    ({"param_eq": {"e": "x"}}, {"e": None}),
    ({"param_in": {"e": ["a", "b"]}}, {"e": "B"}),
    ({"param_not_in": {"e": ["a"]}}, {}),
    ({"param_not_in": {"e": ["a"]}}, {"e": None}),
    ({"param_between": {"n": [1, 5]}}, {"n": "three"}),
    ({"param_contains": {"s": "x"}}, {"s": 5}),
    ({"param_contains": {"s": "drop table"}}, {"s": "DROP  TABLE users"}),
    ({"param_contains": {"s": "drop table"}}, {"s": "pad\n" * 20_000 + "DROP TABLE users"}),
    ({"param_contains": {"s": "drop table"}}, {"s": "é" * 70_000 + "DROP TABLE users"}),
    ({"param_matches": {"s": "x"}}, {"s": ["x"]}),
    ({"param_matches": {"s": "x"}}, {"s": "a" * 70_000}),
    ({"param_matches": {"s": "x"}}, {"s": "\ud800"}),
    ({"param_exists": ["p"]}, {"p": None}),
    ({"param_absent": ["p"]}, {"p": None}),
    ({"time_after": "18:00"}, {}),
    ({"weekdays": [1]}, {}),
    ({"not": {"param_eq": {"region": "eu"}}}, {}),
    ({"not": {"param_gt": {"n": 1}}}, {"n": "x"}),
    ({"any": [{"param_gt": {"n": 1}}, {"param_eq": {"m": 1}}]}, {"n": "x", "m": 2}),
    ({"all": [{"param_gt": {"n": 1}}, {"param_eq": {"m": 1}}]}, {"n": "x", "m": 1}),
]


@pytest.mark.parametrize(("conditions", "params"), UNDECIDED)
def test_the_undecided_restricts_and_never_permits(conditions, params):
    for verdict in ("block", "review"):
        decision = decide(verdict, conditions, params)
        assert decision.rule == "r"
        assert any("could not be decided" in reason for reason in decision.reasons)
    for verdict in ("allow", "sanitize"):
        assert not applies(verdict, conditions, params, default="block")


HOLDS = [
    ({"param_gt": {"n": 1}}, {"n": 2}),
    ({"param_gt": {"n": 4999}}, {"n": "5000"}),
    ({"param_gt": {"n": 1}}, {"N": 2}),
    ({"param_gt": {"n": 1}}, {"n": Decimal("1.5")}),
    ({"param_gt": {"n": 1}}, {"n": "５"}),
    ({"param_gte": {"n": 2}}, {"n": 2.0}),
    ({"param_lt": {"n": 2}}, {"n": "-1e3"}),
    ({"param_lte": {"n": 2}}, {"n": 2}),
    ({"param_eq": {"n": 5}}, {"n": "5"}),
    ({"param_eq": {"n": "5"}}, {"n": 5}),
    ({"param_eq": {"n": [5, {"m": None}]}}, {"n": ("5", {"m": None})}),
    ({"param_eq": {"n": 0.1}}, {"n": "0.1"}),
    ({"param_eq": {"x": None}}, {"x": None}),
    ({"param_eq": {"x": [1, 2]}}, {"x": [1, 2]}),
    ({"param_eq": {"x": False}}, {"x": False}),
    ({"param_eq": {"a.b": 1}}, {"a": {"b": 1}}),
    ({"param_eq": {"a.b": 1}}, {"a.b": 1}),
    ({"param_eq": {"a[1]": 2}}, {"a": [1, 2]}),
    ({"param_eq": {"a[].b[].c": 1}}, {"a": [{"b": [{"c": 1}, {"c": 1}]}, {"b": [{"c": 1}]}]}),
    ({"param_between": {"n": [1, 5]}}, {"n": 1}),
    ({"param_contains": {"s": "b"}}, {"s": "abc"}),
    ({"param_contains": {"s": "b"}}, {"s": ["a", "b"]}),
    ({"param_contains": {"s": "b"}}, {"s": {"b": 1}}),
    ({"param_contains": {"s": 5}}, {"s": "x5"}),
    ({"param_matches": {"s": "^a+$"}}, {"s": "aaa"}),
    ({"param_matches": {"s": "^42$"}}, {"s": 42}),
    ({"param_in": {"s": [1, "x"]}}, {"s": "x"}),
    ({"param_not_in": {"s": ["x"]}}, {"s": "y"}),
    ({"param_exists": "p"}, {"P": 0}),
    ({"param_absent": ["p", "a.b"]}, {"a": {}}),
    ({"not": {"param_exists": ["p"]}}, {}),
    ({"not": {"param_gt": {"n": 5}}}, {"n": 5}),
    ({"all": [{"param_eq": {"n": 1}}, {"param_eq": {"m": 1}}]}, {"n": 1, "m": 1}),
    ({"any": [{"param_gt": {"n": 1}}, {"param_eq": {"m": 1}}]}, {"n": "x", "m": 1}),
]


@pytest.mark.parametrize(("conditions", "params"), HOLDS)
def test_what_holds_applies_to_every_verdict(conditions, params):
    for verdict in ("allow", "block"):
        assert applies(verdict, conditions, params)


FAILS = [
    ({"param_gt": {"n": 1}}, {"n": 1}),
    ({"param_gt": {"n": 1}}, {}),
    ({"param_gt": {"a[].n": 1}}, {"a": []}),
    ({"param_gt": {"a[].n": 1}}, {"a": [{"n": 0}, {}]}),
    ({"param_eq": {"a[7]": 1}}, {"a": [1]}),
    ({"param_eq": {"x": None}}, {"x": 0}),
    ({"param_eq": {"x": "prod"}}, {"x": "dev"}),
    ({"param_eq": {"x": ["prod", "dev"]}}, {"x": ["dev", "prod"]}),
    ({"param_eq": {"x": ["prod"]}}, {"x": ["prod", "dev"]}),
    ({"param_eq": {"x": {"to": "prod"}}}, {"x": {"from": "prod"}}),
    ({"param_contains": {"s": "b"}}, {"s": []}),
    ({"param_contains": {"s": "b"}}, {"s": "a\n" * 50_000}),
    ({"param_matches": {"s": "^(a+)+$"}}, {"s": "a" * 50_000 + "b"}),
    ({"param_exists": ["p"]}, {}),
    ({"param_absent": ["p"]}, {"P": 0}),
    ({"param_gt": {"n": 1}, "param_eq": {"m": 1}}, {"n": "x", "m": 2}),
    ({"any": [{"param_eq": {"n": 1}}, {"param_eq": {"m": 1}}]}, {"n": 2}),
]


@pytest.mark.parametrize(("conditions", "params"), FAILS)
def test_what_fails_applies_to_none(conditions, params):
    for verdict in ("allow", "block"):
        assert not applies(verdict, conditions, params)


def at(day, hour, minute=0):
    """Microseconds at a day of November 2026 (the 16th is a Monday), UTC."""
    return (1_793_491_200 + ((day - 1) * 24 + hour) * 3600 + minute * 60) * 1_000_000


@pytest.mark.parametrize(
    ("conditions", "now", "expected"),
    [
        ({"time_after": "18:00"}, at(16, 18), True),
        ({"time_after": "18:00"}, at(16, 17, 59), False),
        ({"time_before": "08:00"}, at(16, 7, 59), True),
        ({"time_before": "08:00"}, at(16, 8), False),
        ({"time_after": "18:00", "time_before": "08:00"}, at(16, 23), True),
        ({"time_after": "18:00", "time_before": "08:00"}, at(16, 3), True),
        ({"time_after": "18:00", "time_before": "08:00"}, at(16, 12), False),
        ({"time_after": "18:00", "time_before": "00:00"}, at(16, 23, 59), True),
        ({"weekdays": [1]}, at(16, 0), True),
        ({"weekdays": ["Tuesday", "wed", "4"]}, at(18, 5), True),
        ({"weekdays": "sun"}, at(21, 5), False),
        ({"weekdays": [2], "timezone": "Asia/Tokyo"}, at(16, 15), True),
        ({"time_after": "01:00", "timezone": "America/New_York"}, at(16, 5, 59), False),
        ({"not": {"time_after": "18:00"}, "timezone": "Asia/Tokyo"}, at(16, 10), False),
        ({"weekdays": [3]}, -1, True),  # 31 December 1969 was a Wednesday
    ],
)
def test_the_clock(conditions, now, expected):
    for verdict in ("allow", "block"):
        assert applies(verdict, conditions, now=now) is expected


def test_an_impossible_time_is_undecided():
    for conditions in ({"time_after": "18:00", "timezone": "Asia/Tokyo"},):
        assert applies("block", conditions, now=10**30)
        assert not applies("allow", conditions, now=10**30, default="block")


def test_the_action_brings_its_own_time():
    policy = Policy.from_dict(
        {"rules": [{"name": "r", "verdict": "allow", "conditions": {"weekdays": [1]}}]}
    )
    assert policy.decide(Action("t", time=at(16, 3))).rule == "r"
    assert policy.decide(Action("t", time=at(17, 3)), now=at(16, 3)).rule == "r"
    assert policy.decide(Action("t", time=at(17, 3))).rule == "<default>"


def test_findings_and_labels():
    finding = Finding("pii", "mail", "pii", "email", score=800)
    for spec, expected in [
        ("pii", True),
        ("email", True),
        ("PII", True),
        (["x", "em*"], True),
        ("secret", False),
        ({"category": "pii", "min_score": 800}, True),
        ({"category": "pii", "min_score": 801}, False),
    ]:
        assert applies("block", {"finding": spec}, findings=[finding]) is expected
    assert not applies("block", {"finding": "pii"})
    assert applies("block", {"label": ["web*"]}, labels=["x", "Web-page"])
    assert not applies("block", {"label": "web*"}, labels=["page-web"])
    assert applies("block", {"label": "*"})


def test_first_match_wins():
    rules = [
        {"name": n, "match": {"type": t}, "verdict": v}
        for n, t, v in (("a", "x1", "block"), ("b", "x*", "allow"), ("c", "x2", "block"))
    ]
    policy = Policy.from_dict({"rules": rules})
    assert [policy.decide(Action(t)).rule for t in ("x1", "x2", "y")] == ["a", "b", "<default>"]


def test_a_decision_says_why_and_what_next():
    policy = Policy.from_dict(
        {
            "rules": [
                {
                    "name": "big",
                    "match": {"type": "pay"},
                    "conditions": {"param_gt": {"amount": 100}},
                    "verdict": "review",
                    "description": "large payments",
                    "advice": "ask finance",
                },
                {"name": "no_deletes", "match": {"type": "delete*"}, "verdict": "block"},
                {"name": "mask", "match": {"type": "say"}, "verdict": "sanitize"},
            ]
        }
    )
    decision = policy.decide(Action("pay", params={"amount": 4711}))
    assert decision.reasons == (
        "rule `big` asks for a person's approval: `pay`",
        "large payments",
        "`amount` is greater than 100",
    )
    assert decision.advice == "ask finance"
    assert "4711" not in str(decision)
    blocked = policy.decide(Action("delete_x"))
    assert blocked.risk is RiskLevel.CRITICAL
    assert "`no_deletes`" in blocked.advice
    unknown = policy.decide(Action("fly`\n" + "x" * 500))
    assert "no rule matches" in unknown.reasons[0]
    assert len(unknown.reasons[0]) < 200
    assert "\n" not in unknown.reasons[0]
    assert unknown.advice
    assert policy.decide(Action("say")).obligations == ("mask",)
    allowed = Policy.from_dict({"rules": [{"verdict": "allow"}]})
    assert allowed.decide(Action("a")) is allowed.decide(Action("b"))


def near(rules, action, **context):
    policy = Policy.from_dict({"rules": rules})
    explanation = policy.explain(action, **context)
    decision = policy.decide(action, **context)
    assert explanation.decision == decision
    assert explanation.near == decision.near
    return decision.near


def test_near_misses():
    rule = {"name": "r", "match": {"type": "delete*"}, "verdict": "block"}
    (found,) = near([rule], Action("bulk_delete"))
    assert found == Near(
        "r",
        Verdict.BLOCK,
        "`delete` is a word of `bulk_delete`, but not where `delete*` expects it",
    )
    assert near([rule], Action("bulkDelete"))
    assert not near([rule], Action("undeleted"))
    assert not near([{**rule, "verdict": "allow"}], Action("bulk_delete"))
    stops = {"name": "r", "match": {"protocol": "mcp", "type": "github.*"}, "verdict": "block"}
    (found,) = near([stops], Action("github.repos.x", protocol="mcp"))
    assert found.why == "`github.*` stops at `.` and `/` here; `**` does not"
    target = {"name": "r", "match": {"type": "read", "target": "dev*"}, "verdict": "allow"}
    (found,) = near([target], Action("read", "prod"))
    assert found.why == "not so: target matches `dev*`"
    assert not near([target], Action("write", "prod"))
    condition = {
        "name": "r",
        "match": {"type": "pay"},
        "verdict": "allow",
        "conditions": {"param_lt": {"n": 5}, "param_eq": {"m": 1}},
    }
    assert near([condition], Action("pay", params={"n": 9, "m": 1}))[0].why == (
        "not so: `n` is less than 5"
    )
    assert near([condition], Action("pay", params={"m": 1}))[0].why == (
        "not given: `n` is less than 5"
    )
    assert not near([condition], Action("pay", params={"n": 9, "m": 2}))
    agent = {"name": "r", "match": {"type": "pay", "agent": "bot"}, "verdict": "allow"}
    assert near([agent], Action("pay", actor=Actor(agent="cat")))[0].rule == "r"
    assert len(near([{**target, "name": f"r{i}"} for i in range(9)], Action("read", "x"))) == 3


def test_only_rules_before_the_deciding_one_are_near():
    rules = [
        {"name": "all", "verdict": "block"},
        {"name": "r", "match": {"type": "delete*"}, "verdict": "block"},
    ]
    assert near(rules, Action("bulk_delete")) == ()


def test_an_explanation_names_every_rule():
    policy = Policy.from_dict(
        {
            "rules": [
                {"name": "a", "match": {"type": "x"}, "verdict": "block"},
                {"name": "b", "match": {"type": "r*"}, "verdict": "allow"},
                {"name": "c", "verdict": "review"},
            ]
        }
    )
    explanation = policy.explain(Action("read"))
    assert [(t.rule, t.matched, t.decided) for t in explanation.rules] == [
        ("a", False, False),
        ("b", True, True),
        ("c", True, False),
    ]
    assert explanation.rules[0].why == "not so: type `read` matches `x`"
    assert "=> b (allow)" in str(explanation)


@pytest.mark.parametrize(
    "action",
    [
        Action(None),
        Action(3),
        Action(["x"]),
        Action("t", target=None),
        Action("t", protocol=7),
        Action("t", actor=None),
        Action("t", labels=5),
        Action("t", labels=(3,)),
    ],
)
def test_broken_actions_are_blocked_and_never_raise(action):
    policy = Policy.from_dict(
        {
            "defaults": {"verdict": "allow"},
            "rules": [
                {
                    "name": "r",
                    "match": {"type": "t*", "agent": "b*", "target": "x"},
                    "verdict": "allow",
                },
                {"name": "s", "match": {"label": "x"}, "verdict": "block"},
                {"name": "u", "match": {"target": "q"}, "verdict": "allow"},
            ],
        }
    )
    decision = policy.decide(action)
    assert decision.verdict is Verdict.BLOCK
    assert decision.advice
    assert policy.explain(action).decision.verdict is Verdict.BLOCK


def test_params_that_are_no_mapping_are_undecided():
    for params in (None, [1], "x", 5):
        assert applies("block", {"param_gt": {"n": 1}}, params) or params is None
        policy = Policy.from_dict(
            {"rules": [{"name": "r", "conditions": {"param_gt": {"n": 1}}, "verdict": "block"}]}
        )
        assert policy.decide(Action("t", params=params)).rule == "r"


def test_rows_are_bounded():
    policy = Policy.from_dict(
        {"rules": [{"name": "r", "match": {"type": "a*"}, "verdict": "allow"}]}
    )
    for number in range(10_000):
        assert policy.decide(Action(f"a{number}")).rule == "r"
    engine = policy._engine
    assert len(engine._rows) + len(engine._older) <= 4_096
    policy.decide(Action("a" * 5_000))
    assert max(map(len, engine._rows)) < 1_000
