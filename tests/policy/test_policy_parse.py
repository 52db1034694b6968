"""Reading documents: every complaint has a place and says what to write."""

import contextlib
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.model import Action, PolicyError, RiskLevel, Verdict
from aegis.policy import Policy, schema
from aegis.policy.fields import SECTIONS
from aegis.policy.parse import KINDS

SPEC = Path(__file__).parents[2] / "spec"

COMPLAINTS = [
    # text, line, column, path, part of the message
    ("rules:\n  - match: {typ: x}", 2, 13, "rules[0].match.typ", "did you mean `type`"),
    ("rules:\n  - aproval: block", 2, 5, "rules[0].aproval", "did you mean `approval`"),
    ("rule: []", 1, 1, "rule", "did you mean `rules`"),
    ("rules:\n- conditions: {prm_gt: {a: 1}}", 2, 16, "rules[0].conditions.prm_gt", "`param_gt`"),
    ("rules:\n- approval: maybe", 2, 13, "rules[0].approval", "unknown verdict `maybe`"),
    ("rules:\n- approval: yes\n  verdict: block", 2, 13, "rules[0].approval", "unknown verdict"),
    ("rules:\n- approval: auto\n  verdict: block", 3, 3, "rules[0].verdict", "keep one"),
    ("rules:\n- risk_level: huge", 2, 15, "rules[0].risk_level", "unknown risk level"),
    ("rules:\n- {name: a, name: b}", 2, 13, "", "written twice"),
    ("rules:\n- match: {type: []}", 2, 17, "rules[0].match.type", "empty list"),
    ("rules:\n- match: {type: [a, {b: c}]}", 2, 21, "rules[0].match.type[1]", "expected a glob"),
    (
        "rules:\n- when: {param_matches: {x: '(a'}}",
        2,
        29,
        "rules[0].when.param_matches.x",
        "no RE2 expression",
    ),
    ("rules:\n- when: {param_gt: {x: '100'}}", 2, 24, "rules[0].when.param_gt.x", "without quotes"),
    ("rules:\n- when: {param_gt: {x: .nan}}", 2, 24, "rules[0].when.param_gt.x", "finite"),
    ("rules:\n- when: {param_gt: {'a..b': 1}}", 2, 21, "rules[0].when.param_gt.a..b", "path"),
    (
        "rules:\n- when: {param_between: {x: [3, 1]}}",
        2,
        29,
        "rules[0].when.param_between.x",
        "nothing is between",
    ),
    ("rules:\n- when: {time_after: 1080}", 2, 22, "rules[0].when.time_after", "quotes"),
    ("rules:\n- when: {time_after: '24:00'}", 2, 22, "rules[0].when.time_after", "23:59"),
    ("rules:\n- when: {time_after: 8:00, time_before: 08:00}", 2, 41, "rules[0].when", "empty"),
    ("rules:\n- when: {weekdays: [mon, noday]}", 2, 26, "rules[0].when.weekdays[1]", "no weekday"),
    ("rules:\n- when: {weekdays: [0]}", 2, 21, "rules[0].when.weekdays[0]", "no weekday"),
    ("defaults: {timezone: Mars/Base}", 1, 22, "defaults.timezone", "IANA"),
    (
        "rules:\n- when: {semantic: 'contains any content'}",
        2,
        20,
        "rules[0].when.semantic",
        "no word to look for",
    ),
    ("rules:\n- when: {param_exactly: [a]}", 2, 25, "rules[0].when.param_exactly", "or {}"),
    ("rules:\n- when: {unnamed: [type]}", 2, 20, "rules[0].when.unnamed[0]", "name of an action"),
    ("rules:\n- when: {not: {}}", 2, 15, "rules[0].when.not", "empty group"),
    ("rules:\n- when: {finding: {min_score: 8}}", 2, 19, "rules[0].when.finding", "`category`"),
    ("tool_policies: {rules: [{tool: x}]}", 1, 25, "tool_policies.rules[0]", "`decision`"),
    (
        "plan_rules: {sequence_patterns: [{name: x}]}",
        1,
        34,
        "plan_rules.sequence_patterns[0]",
        "`steps`",
    ),
    ("agents: [a]", 1, 9, "agents", "agent names"),
    ("agents: {Bot: {alow: [x]}}", 1, 16, "agents.Bot.alow", "did you mean `allow`"),
    ("rules: {a: b}", 1, 8, "rules", "expected a list"),
    ("- a", 1, 1, "", "expected a mapping"),
    ("policy: {rules: []}\nrules: []", 2, 1, "rules", "no effect"),
    ("rules:\n\t- a", 2, 1, "", "not valid YAML"),
    ('rules:\n- name: "\\ud800"', 2, 9, "", "half of a surrogate pair"),
    ('rules:\n- match: {"\\udfff": x}', 2, 11, "", "half of a surrogate pair"),
]


@pytest.mark.parametrize(("text", "line", "column", "path", "said"), COMPLAINTS)
def test_complaints_have_a_place(text, line, column, path, said):
    with pytest.raises(PolicyError) as caught:
        Policy.from_text(text, "p.yaml")
    problem = caught.value.problems[0]
    assert (problem.line, problem.column, problem.path) == (line, column, path), str(problem)
    assert said in str(problem)
    assert str(problem).startswith(f"p.yaml:{line}:{column}: ")


@pytest.mark.parametrize(
    "rule", [{"name": "\ud800"}, {"\ud800": "x"}, {"match": {"type": ["\ud800"]}}]
)
def test_what_is_no_text_is_refused_in_a_mapping_too(rule):
    with pytest.raises(PolicyError, match="half of a surrogate pair"):
        Policy.from_dict({"rules": [rule]})


def test_every_complaint_is_reported():
    with pytest.raises(PolicyError) as caught:
        Policy.from_text("rules:\n- {match: {typ: x}, aproval: y}\n- {risk: none}\nfoo: 1\n")
    assert len(caught.value.problems) == 4


def test_agents_that_fold_to_one_name_are_refused():
    with pytest.raises(PolicyError, match="one name"):
        Policy.from_dict({"agents": {"Bot": {"allow": "a"}, "bot": {"allow": "b"}}})


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"b{i}: &b{i} [{','.join(['*' + ('a' if i == 0 else f'b{i - 1}')] * 9)}]\n"
            for i in range(9)
        ),
        "[" * 10_000,
        "rules: &r [*r]",
        "x" * (1 << 20) + "x",
        "rules: [{name: !!python/object/apply:os.system [true]}]",
        "rules: []\n---\nrules: []",
        "<<: {a: 1}",
        "a: 1" + "0" * 5000,
        "rules: [{name: 'x', <<: *y}]",
    ],
)
def test_hostile_documents_are_refused_quickly(text, yardsticks):
    def read():
        with pytest.raises(PolicyError):
            Policy.from_text(text)

    assert yardsticks(read) < 1_000_000


def test_too_many_rules_are_refused():
    with pytest.raises(PolicyError, match="10000"):
        Policy.from_dict({"rules": [{}] * 10_001})


def test_a_whole_configuration_file(tmp_path):
    path = tmp_path / "aegis.yaml"
    path.write_text(
        "guardrails:\n  pii: { enabled: true, action: mask }\n"
        "server: {port: 8080}\nanything: {else: 1}\n"
        "agents: {Bot: {allows: [look]}}\n"
        "tool_policies: {default_decision: review, rules: [{tool: x, decision: allow}]}\n"
        "policy:\n  defaults: {approval: approve}\n"
        "  rules:\n    - {name: read_safe, match: {type: 'read*'}, approval: auto}\n"
    )
    policy = Policy.from_yaml(path)
    names = [rule.name for rule in policy.rules]
    assert names == ["Bot/allow", "Bot/unlisted", "tool_policies_0", "read_safe"]
    assert policy.decide(Action("zzz")).verdict is Verdict.REVIEW
    assert policy.rules[-1].place == (str(path), 10, 7)


def test_rules_in_a_file_of_their_own(tmp_path):
    (tmp_path / "rules.yaml").write_text("- {name: a, match: {type: a}, verdict: allow}\n")
    path = tmp_path / "aegis.yaml"
    path.write_text("server: {}\npolicy: {rules_path: rules.yaml, rules: [{name: first}]}\n")
    assert [rule.name for rule in Policy.from_yaml(path).rules] == ["first", "a"]
    (tmp_path / "rules.yaml").write_text("rules: [{typ: x}]\ndefaults: {verdict: allow}\n")
    with pytest.raises(PolicyError) as caught:
        Policy.from_yaml(path)
    assert [p.path for p in caught.value.problems] == ["rules[0].typ", "defaults"]
    (tmp_path / "rules.yaml").unlink()
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.from_yaml(path)


def test_a_whole_policy_in_a_file_of_its_own(tmp_path):
    named = tmp_path / "named.yaml"
    named.write_text("defaults: {verdict: review}\nrules: [{name: a, match: {type: a}}]\n")
    path = tmp_path / "aegis.yaml"
    for text in ("policy: named.yaml", "policy: {path: named.yaml}", f"policy: {named}"):
        path.write_text(f"server: {{}}\n{text}\n")
        assert Policy.from_yaml(path) == Policy.from_yaml(named)
    for text in (
        "policy: named.yaml\nagents: {B: {allow: x}}",
        "policy: {path: named.yaml, rules: []}",
        "policy: {path: 3}",
        "policy: none.yaml",
        "policy: aegis.yaml",
    ):
        path.write_text(text)
        with pytest.raises(PolicyError):
            Policy.from_yaml(path)
    named.write_text("rules_path: aegis.yaml")
    path.write_text("policy: named.yaml")
    with pytest.raises(PolicyError, match="itself named"):
        Policy.from_yaml(path)


def test_a_configuration_without_a_policy_is_no_policy():
    with pytest.raises(PolicyError, match="says nothing about a policy"):
        Policy.from_text("server: {port: 1}\nguardrails: {}\n")
    assert Policy.from_text("").decide(Action("x")).verdict is Verdict.BLOCK


def test_unreadable_files(tmp_path):
    for bad in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(PolicyError, match="cannot be read"):
            Policy.from_yaml(bad)
    (tmp_path / "latin").write_bytes(b"rules:\n - name: caf\xe9")
    with pytest.raises(PolicyError, match="latin:2:1: not UTF-8"):
        Policy.from_yaml(tmp_path / "latin")
    with pytest.raises(PolicyError, match="at least one"):
        Policy.from_yaml_files()


def test_several_files_merge_in_order(tmp_path):
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("defaults: {verdict: review}\nrules: [{name: a}]\nagents: {B: {allow: [x]}}")
    two.write_text("defaults: {verdict: allow}\nrules: [{name: b}]\nagents: {b: {block: [y]}}")
    policy = Policy.from_yaml_files(one, two)
    assert [rule.name for rule in policy.rules] == ["B/block", "B/allow", "B/unlisted", "a", "b"]
    assert policy.rules[-1].place[0] == str(two)
    assert policy.to_dict()["defaults"] == {"verdict": "review"}
    two.write_text("ruls: []")
    one.write_text("a: b")
    with pytest.raises(PolicyError) as caught:
        Policy.from_yaml_files(one, two)
    assert len(caught.value.problems) == 2


def test_merging_what_does_not_fit():
    limit = [
        Policy.from_dict({"plan_rules": {"cumulative_risk": {"max_total_risk": n}}}) for n in (3, 4)
    ]
    with pytest.raises(PolicyError, match="total risk"):
        limit[0].merge(limit[1])
    assert limit[0].merge(limit[0]) == limit[0]
    tools = [
        Policy.from_dict(
            {"tool_policies": {"enabled": on, "rules": [{"tool": name, "decision": "allow"}]}}
        )
        for on, name in ((True, "a"), (False, "b"))
    ]
    assert [r.match["type"] for r in tools[0].merge(tools[1]).rules] == [["a"]]
    assert [r.match["type"] for r in tools[1].merge(tools[0]).rules] == [["a"]]
    assert len(tools[0].merge(tools[0]).rules) == 2


def test_defaults_of_verdict_and_risk():
    def risks(document):
        return [rule.risk for rule in Policy.from_dict(document).rules]

    rules = [{"approval": v} for v in ("auto", "sanitize", "approve", "block")]
    assert risks({"rules": rules}) == list(RiskLevel)
    assert risks({"rules": rules, "defaults": {"risk_level": "low"}}) == [RiskLevel.LOW] * 4
    policy = Policy.from_dict({"rules": [{}]})
    assert policy.rules[0].verdict is Verdict.REVIEW
    assert policy.rules[0].name == "rule_0"
    assert Policy.from_dict({}).decide(Action("x")).verdict is Verdict.BLOCK
    tools = {"tool_policies": {"rules": []}}
    assert Policy.from_dict(tools).decide(Action("x")).verdict is Verdict.BLOCK
    both = {"tool_policies": {"default_decision": "block"}, "defaults": {"verdict": "allow"}}
    assert Policy.from_dict(both).decide(Action("x")).verdict is Verdict.BLOCK
    both["tool_policies"]["enabled"] = False
    assert Policy.from_dict(both).decide(Action("x")).verdict is Verdict.ALLOW


def test_versions_are_of_the_content():
    text = "rules: [{name: a, match: {tool: x}, approval: auto}]"
    policy = Policy.from_text(text)
    rule = {"match": {"type": ["x"]}, "verdict": "allow", "name": "a"}
    same = Policy.from_dict({"rules": [rule]})
    assert policy == same
    assert hash(policy) == hash(same)
    assert policy.version.startswith("sha256:")
    assert len(policy.version) == 7 + 16
    assert Policy.from_text(text.replace("auto", "block")) != policy
    swapped = [{"rules": [{"name": "a"}, {"name": "b"}][::step]} for step in (1, -1)]
    assert Policy.from_dict(swapped[0]) != Policy.from_dict(swapped[1])
    assert policy.decide(Action("x")).policy == policy.version


@pytest.mark.parametrize(
    "path", sorted((SPEC / "cases/policy").glob("*.yaml")), ids=lambda path: path.stem
)
def test_documents_survive_a_round_trip(path):
    policy = Policy.from_yaml(path)
    assert Policy.from_dict(policy.to_dict()).version == policy.version
    assert Policy.from_text(policy.to_yaml()).version == policy.version
    jsonschema.validate(policy.to_dict(), schema(), jsonschema.Draft202012Validator)


def test_to_dict_is_a_copy():
    policy = Policy.from_dict({"rules": [{"name": "a", "match": {"type": "x"}}]})
    policy.to_dict()["rules"][0]["match"]["type"][0] = "y"
    assert policy.to_dict()["rules"][0]["match"]["type"] == ["x"]


def test_disabled_rules_are_kept_but_do_not_decide():
    policy = Policy.from_dict({"rules": [{"name": "a", "enabled": False}]})
    assert policy.decide(Action("x")).rule == "<default>"
    assert policy.to_dict()["rules"][0]["enabled"] is False
    assert not policy.rules[0].enabled


def test_the_schema_file_is_the_schema():
    written = json.loads((SPEC / "policy.schema.json").read_text())
    assert written == schema()
    jsonschema.Draft202012Validator.check_schema(written)


def test_every_key_is_read_described_and_in_the_schema():
    used = set()
    for name, fields in SECTIONS.items():
        properties = (schema() if name == "document" else schema()["$defs"][name])["properties"]
        for field in fields:
            used.add(field.kind)
            assert field.description.endswith("."), field
            assert {field.name, *field.aliases} <= properties.keys()
            assert properties[field.name]["description"] == field.description
    assert used == KINDS


@pytest.mark.parametrize(("text", "line", "column", "path", "said"), COMPLAINTS)
def test_the_schema_refuses_no_less_than_names(text, line, column, path, said):
    if "unknown key" not in said and "did you mean" not in said:
        return
    from ruamel.yaml import YAML

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(YAML(typ="safe").load(text), schema())


def test_loading_is_fast_enough(yardsticks):
    text = "rules:\n" + "".join(
        f"  - name: r{i}\n    match: {{ type: 'read{i}*' }}\n    approval: auto\n"
        for i in range(500)
    )
    assert len(Policy.from_text(text).rules) == 500
    assert yardsticks(lambda: Policy.from_text(text)) < 1_200_000


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["*", "18:00", "mon", "block", "a[].b", "(x", "[a", "high"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    sorted(
        {
            key
            for fields in SECTIONS.values()
            for field in fields
            for key in (field.name, *field.aliases)
        }
        - {"rules_path"}
    )
)
SHAPED = st.recursive(
    JSON,
    lambda inner: st.dictionaries(KEYS, inner | st.lists(inner, max_size=3), max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(SHAPED)
def test_any_mapping_is_a_policy_or_a_policy_error(document):
    try:
        policy = Policy.from_dict(document)
    except PolicyError:
        return
    policy.decide(Action("x", params={"a": 1}), now=1)
    assert Policy.from_dict(policy.to_dict()) == policy


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(alphabet="rules:match{}[]-&*!|>%@#'\"\\, \n\t?abc1.\x00\ud800\u2028", max_size=60)
    | st.text(max_size=60)
)
def test_any_text_is_a_policy_or_a_policy_error(text):
    with contextlib.suppress(PolicyError):
        Policy.from_text(text)
