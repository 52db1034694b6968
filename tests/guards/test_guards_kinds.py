"""Values in the arguments and results of tools are recorded, and masked only where asked for."""

from __future__ import annotations

import pytest

from aegis.builtin.guards import build_guard
from aegis.model import Action, Text, Verdict

MAIL = "write to maria.lopez@example.org"
TOKEN = "use ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def verdict(settings, text, kind):
    found = build_guard(settings).inspect((Text(text, kind),), Action("x"))
    assert found
    return max(finding.verdict for finding in found)


@pytest.mark.parametrize(
    ("name", "text", "kind", "expected"),
    [
        ("pii", MAIL, "prompt", Verdict.SANITIZE),
        ("pii", MAIL, "reply", Verdict.SANITIZE),
        ("pii", MAIL, "arguments", Verdict.ALLOW),
        ("pii", MAIL, "tool_result", Verdict.ALLOW),
        ("secrets", TOKEN, "arguments", Verdict.ALLOW),
        ("secrets", TOKEN, "tool_result", Verdict.SANITIZE),
    ],
)
def test_the_default_leaves_calls_as_they_are(name, text, kind, expected):
    assert verdict({name: {}}, text, kind) is expected


def test_masking_of_arguments_and_results_can_be_asked_for():
    settings = {"pii": {"arguments": "mask", "results": "mask"}}
    assert verdict(settings, MAIL, "arguments") is Verdict.SANITIZE
    assert verdict(settings, MAIL, "tool_result") is Verdict.SANITIZE


def test_blocking_does_not_depend_on_the_kind():
    assert verdict({"pii": {"action": "block"}}, MAIL, "arguments") is Verdict.BLOCK


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="Invalid enum value 'hide'"):
        build_guard({"pii": {"arguments": "hide"}})
    with pytest.raises(ValueError, match="unknown option `arguments`"):
        build_guard({"injection": {"arguments": "mask"}})
