"""The kill switch: effective on the next call, however the agent is spelled and whatever waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Actor, CallerError, HeldError

POLICY = {
    "rules": [
        {"name": "reads", "match": {"type": "read*"}, "approval": "auto"},
        {"name": "deploys", "match": {"type": "deploy*"}, "approval": "approve"},
    ]
}


def loaded(home, **sections):
    return parse({"home": str(home), "policy": POLICY, **sections}, "test.yaml")


def never(action):
    raise AssertionError("performed")


def test_a_killed_agent_does_not_go_on_with_a_parked_run(tmp_path):
    runtime = open_runtime(loaded(tmp_path, approvals={"wait_seconds": 0.05}))

    async def hold():
        action = Action("deploy", "prod", actor=Actor(agent="bot"))
        await runtime.agovern(action, never, park=True)

    with pytest.raises(HeldError) as held:
        asyncio.run(hold())
    runtime.answer(held.value.approval, True, by="mary")
    runtime.kill("bot", by="mary", reason="odd")
    with pytest.raises(CallerError, match="odd"):
        runtime.resume(held.value.run, never)
    runtime.revive("bot", by="mary")
    assert runtime.resume(held.value.run, lambda action: 1).ok
    runtime.close()


@pytest.mark.parametrize("name", ["BOT", "bot ", "b\u043et", "\uff42ot"])
def test_no_spelling_keeps_a_killed_agent_alive(tmp_path, name):
    runtime = open_runtime(loaded(tmp_path))
    runtime.kill("Bot", by="mary")
    assert runtime.govern(Action("read", actor=Actor(agent=name)), never).code == "killed"
    runtime.close()


def test_the_kill_switch_of_another_process_stops_the_next_call(tmp_path):
    runtime = open_runtime(loaded(tmp_path))
    action = Action("read", "crm", actor=Actor(agent="bot"))
    assert runtime.govern(action, lambda a: 1).ok
    script = (
        "import sys; from aegis.kernel.build import open_runtime; from aegis.kernel.config import "
        "parse; r = open_runtime(parse({'home': sys.argv[1]}, 't')); "
        "r.kill('bot', by='mary', reason='odd'); r.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    outcome = runtime.govern(action, never)
    assert outcome.code == "killed"
    assert "odd" in outcome.reason
    runtime.revive("bot", by="mary")
    assert runtime.govern(action, lambda a: 1).ok
    runtime.close()
