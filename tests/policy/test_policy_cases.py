"""The language-neutral cases, and running cases at all."""

from pathlib import Path

import pytest

from aegis.model import Action, PolicyError, Verdict
from aegis.policy import Policy
from aegis.policy.cases import load, run

CASES = sorted((Path(__file__).parents[2] / "spec/cases/policy").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_conformance(path):
    results = run(None, path.read_text(), str(path))
    assert results
    assert [(r.case.name, r.why) for r in results if not r.passed] == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_explain_and_simulate_agree_on_every_case(path):
    policy = Policy.from_yaml(path)
    for result in run(policy, path.read_text()):
        case = result.case
        context = {"now": case.now, "labels": case.labels}
        assert (
            policy.explain(case.action, findings=case.findings, **context).decision
            == result.decision
        )
        if not case.findings:
            assert policy.simulate([case.action], **context) == [result.decision]


def test_a_failed_case_says_what_differs():
    rule = {"name": "r", "match": {"type": "x"}, "verdict": "allow"}
    policy = Policy.from_dict({"rules": [rule]})
    cases = {
        "cases": [
            {
                "name": "c",
                "action": {"type": "x"},
                "expect": {"verdict": "block", "rule": "q", "risk": "high"},
            }
        ]
    }
    (result,) = run(policy, cases)
    assert not result.passed
    assert "verdict is allow, expected block" in result.why
    assert "rule is `r`, expected `q`" in result.why
    assert "risk is low, expected high" in result.why


@pytest.mark.parametrize(
    "document",
    [
        "cases: 3",
        "cases: []\ncasses: []",
        "cases: [{name: x, action: {typ: y}, expect: {verdict: allow}}]",
        "cases: [{name: x, action: {type: y}, expect: {verdict: perhaps}}]",
        "cases: [{name: x, action: {type: y}, expect: {verdict: allow, risk: huge}}]",
        "cases: [{name: x, action: {type: y}, at: noon, expect: {verdict: allow}}]",
        "cases: [{name: x, action: {type: y}}]",
    ],
)
def test_wrong_documents_are_refused(document):
    with pytest.raises(PolicyError):
        run(Policy.from_dict({}), document)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            "policy: {}\ncases:\n  - { name: x }",
            "c.yaml:3:5: cases[0]: Object missing required field `action`",
        ),
        (
            "policy:\n  rulez: []\ncases: []",
            "c.yaml:2:3: policy.rulez: unknown key (did you mean `rules`?)",
        ),
    ],
)
def test_what_is_wrong_has_a_place(document, said):
    with pytest.raises(PolicyError) as caught:
        run(None, document, "c.yaml")
    assert str(caught.value) == said


def test_a_document_may_name_the_file_of_its_policy(tmp_path):
    (tmp_path / "p.yaml").write_text("rules: [{ name: r, match: { type: x }, verdict: allow }]")
    expected = "expect: { verdict: allow, rule: r }"
    document = f"policy: p.yaml\ncases: [{{ name: x, action: {{ type: x }}, {expected} }}]"
    (result,) = run(None, document, str(tmp_path / "cases.yaml"))
    assert result.passed


def test_cases_without_any_policy_are_refused():
    with pytest.raises(PolicyError, match="no policy"):
        run(None, "cases: []")


def test_times_and_actors_of_cases():
    (case,) = load(
        "cases: [{name: x, action: {type: y, agent: a, tenant: t}, at: '1970-01-01T00:00:01', "
        "expect: {verdict: mask}}]"
    )
    assert case.now == 1_000_000
    assert (case.action.actor.agent, case.action.actor.tenant) == ("a", "t")
    assert case.verdict is Verdict.SANITIZE
    assert isinstance(case.action, Action)
