"""What "always" proposes: a rule for one exact action, and nothing that anybody else could use."""

from __future__ import annotations

import msgspec
import pytest

from aegis.approval import PENDING
from aegis.kernel.proposals import proposed
from aegis.model import Action, Actor, CallerError, Verdict
from aegis.policy import Policy

from .test_approvals import BOT, admin, ask, runtime

__all__ = ["runtime"]


class TestAlways:
    def action(self, **params):
        return Action("shell.exec", "host", params, protocol="shell", actor=BOT)

    def test_a_rule_is_proposed_for_exactly_this_action(self, runtime):
        command = "git log | head *; ls [a-z]*"
        id = ask(runtime, self.action(command=command))
        runtime.answer(id, True, by="mary", scope="always")
        policy = Policy.from_text(proposed(runtime.settings.home, id).read_text(), "proposal")
        decide = policy.decide
        assert decide(self.action(command=command)).verdict is Verdict.ALLOW
        for other in (
            self.action(command=command + " && rm -rf /"),
            self.action(command="git log | head x; ls b"),
            self.action(command=command, cwd="/"),
            self.action(),
            Action("shell.exec", "host2", {"command": command}, protocol="shell", actor=BOT),
            Action("shell.exec", "host", {"command": command}, protocol="shell"),
        ):
            assert decide(other).verdict is Verdict.BLOCK
        (told,) = admin(runtime, "approval.answer")
        assert told["details"]["proposal"].endswith(f"{id}.yaml")

    @pytest.mark.parametrize(
        ("params", "others"),
        [
            ({"id": "0042"}, [{"id": 42}, {"id": "42"}, {"id": 42.0}]),
            ({"n": 1}, [{"n": True}, {"n": 1.0}, {"n": "1"}, {"N": 1}, {}]),
            ({"to": "Ann"}, [{"to": "ann"}, {"to": "Ann "}, {"to": "Ａnn"}, {"to": ["Ann"]}]),
            ({}, [{"force": True}, {"": ""}]),
            ({"a": None, "b": []}, [{"a": None}, {"b": []}, {"a": "", "b": []}, {"a": 0, "b": []}]),
            ({"a.b": {"c": [1, {"d": ""}]}}, [{"a": {"b": {"c": [1, {"d": ""}]}}}]),
            ({"yes": "no", "when": "2026-01-01", "t": "a\n#b: *c\t"}, [{"yes": False}]),
        ],
    )
    def test_it_compares_to_the_letter_and_the_type(self, runtime, params, others):
        action = Action("x", "t", params, actor=BOT)
        id = ask(runtime, action)
        runtime.answer(id, True, by="mary", scope="always")
        policy = Policy.from_text(proposed(runtime.settings.home, id).read_text(), "proposal")
        assert policy.decide(action).verdict is Verdict.ALLOW
        for other in others:
            found = policy.decide(Action("x", "t", other, actor=BOT))
            assert found.verdict is Verdict.BLOCK, other

    @pytest.mark.parametrize(
        "change", [{"environment": "prod"}, {"actor": Actor("u", "bot", "", "acme")}]
    )
    def test_what_was_empty_has_to_be_empty(self, runtime, change):
        action = Action("x", "t", {"n": 1}, actor=BOT)
        id = ask(runtime, action)
        runtime.answer(id, True, by="mary", scope="always")
        policy = Policy.from_text(proposed(runtime.settings.home, id).read_text(), "proposal")
        assert policy.decide(action).verdict is Verdict.ALLOW
        assert policy.decide(msgspec.structs.replace(action, **change)).verdict is Verdict.BLOCK

    def test_the_policy_in_force_does_not_change(self, runtime):
        action = self.action(command="ls")
        runtime.answer(ask(runtime, action), True, by="mary", scope="always")
        assert runtime.govern(action, lambda _: 1).ok
        ask(runtime, action)

    @pytest.mark.parametrize(
        "action",
        [
            Action("x", "t", {"password": "hunter2"}, actor=BOT),
            Action("x", "", {"n": 1}, actor=BOT),
            Action("x", "t", {"n": 1}),
            Action("x", "t", {"n": "y" * 5000}, actor=BOT),
        ],
    )
    def test_what_no_rule_can_say_narrowly_is_refused(self, runtime, action):
        id = ask(runtime, action)
        with pytest.raises(CallerError, match="approval `ap_"):
            runtime.answer(id, True, by="mary", scope="always")
        assert runtime.desk.find(id).state == PENDING
        assert not proposed(runtime.settings.home, id).exists()
