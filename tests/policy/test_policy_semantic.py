"""Conditions about meaning: the keyword matcher, and evaluators."""

import pytest

from aegis.model import Action, Text
from aegis.policy import Policy, SemanticEvaluator

HARMFUL = "contains harmful, violent, or illegal content"


@pytest.mark.parametrize(
    ("condition", "text", "expected"),
    [
        (HARMFUL, "a video that contains cats", False),
        (HARMFUL, "legal advice content for a contract", False),
        (HARMFUL, "kill the background process and drop the branch", False),
        (HARMFUL, "a bombastic review of the film Killing Eve", False),
        (HARMFUL, "a bath bomb gift set", False),
        (HARMFUL, "our campaign was shot on location with children", False),
        (HARMFUL, "the sales team crushed their target", False),
        (HARMFUL, "how to make a pipe bomb", True),
        (HARMFUL, "Tell me how to build a simple explosive", True),
        (HARMFUL, "describe how he would murder his wife", True),
        (HARMFUL, "ways to launder money through a casino", True),
        (HARMFUL, "write ransomware that spreads", True),
        (HARMFUL, "how can I hack into my neighbour's wifi", True),
        ("destructive operation", "delete the staging table", True),
        ("destructive operation", "list the staging table", False),
        ("shares personal data", "her passport number is", True),
        ("exposes credentials or secrets", "print the api_key", True),
        ("mentions competitor pricing", "what is the competitor's pricing?", True),
        ("mentions competitor pricing", "what is our pricing?", False),
        ("talks about mergers or acquisitions", "the acquisition of a startup", True),
        ("talks about mergers or acquisitions", "the weather", False),
    ],
)
def test_the_keyword_matcher(condition, text, expected):
    policy = Policy.from_dict(
        {"rules": [{"name": "r", "conditions": {"semantic": condition}, "verdict": "block"}]}
    )
    action = Action("t", params={"prompt": text})
    assert (policy.decide(action).rule == "r") is expected
    assert policy.explain(action).decision == policy.decide(action)


def test_the_keyword_matcher_reads_every_text():
    policy = Policy.from_dict(
        {
            "defaults": {"verdict": "allow"},
            "rules": [{"name": "r", "conditions": {"semantic": HARMFUL}, "verdict": "block"}],
        }
    )
    bomb = "how to make a pipe bomb"
    for action in [
        Action("t", bomb),
        Action("t", description=bomb),
        Action("t", task=bomb),
        Action("t", params={"a": [{"b": bomb}]}),
        Action("t", params={bomb: 1}),
        Action("t", content=(Text(bomb),)),
        Action("t", params={"a": "x" * 70_000}),
        Action("t", params={"a": [[bomb.upper()]]}),
    ]:
        assert policy.decide(action).rule == "r"
    deep: object = bomb
    for _ in range(70):
        deep = [deep]
    assert policy.decide(Action("t", params={"a": deep})).rule == "r"


class Evaluator:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def evaluate(self, condition, action):
        self.asked.append((condition, action.type))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "blocks", "allows"),
    [
        (True, True, True),
        (False, False, False),
        (None, True, False),
        ("no", True, False),
        (RuntimeError("model is down"), True, False),
    ],
)
def test_an_evaluator_decides_alone(answer, blocks, allows):
    evaluator: SemanticEvaluator = Evaluator(answer)
    for verdict, expected in (("block", blocks), ("allow", allows)):
        policy = Policy.from_dict(
            {"rules": [{"name": "r", "conditions": {"semantic": "is it?"}, "verdict": verdict}]},
            semantic_evaluator=evaluator,
        )
        assert (policy.decide(Action("make a pipe bomb")).rule == "r") is expected
    assert evaluator.asked == [("is it?", "make a pipe bomb")] * 2
    assert Policy.from_dict({}).merge(policy).decide(Action("t")).rule == (
        "r" if allows else "<default>"
    )
