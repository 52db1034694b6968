"""Reversible masking in a program: a tool gets the values only where the configuration says so."""

from __future__ import annotations

from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action

POLICY = {"rules": [{"name": "all", "match": {"type": "*"}, "approval": "auto"}]}


def never(action):
    raise AssertionError("performed")


def test_a_tool_gets_what_was_masked_only_where_the_configuration_says_so(tmp_path):
    mail = "ann.example@mail.example.com"
    options = {"reversible": True, "restore_to": ["write_mail"]}
    sections = {"guardrails": {"pii": {"options": options}}}
    runtime = open_runtime(
        parse({"home": str(tmp_path), "policy": POLICY, **sections}, "test.yaml")
    )
    seen = []

    def perform(action):
        seen.append(action.params)
        return "done"

    runtime.govern(Action("chat", "m", {"prompt": f"to {mail}"}, "", "llm"), perform)
    read = seen[0]["prompt"]
    assert mail not in read
    outcome = runtime.govern(Action("write_mail", "m", {"text": read}), perform)
    assert outcome.status == "performed"
    assert seen[1] == {"text": f"to {mail}"}
    refused = runtime.govern(Action("read_mail", "m", {"text": read}), never)
    assert refused.decision.rule == "guard:placeholder"
    assert "restore_to" in refused.decision.advice
    stored = b"".join(record.entry for record in runtime.journal.records())
    runtime.close()
    assert mail.encode() not in stored
