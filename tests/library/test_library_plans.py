"""Plan rules: sequences and risk that adds up, over plans and over a session."""

import asyncio

import pytest

import aegis
from aegis import Action, BaseExecutor, CallbackApprovalHandler, Policy, ResultStatus, Runtime

OK, BLOCKED, DENIED = ResultStatus.SUCCESS, ResultStatus.BLOCKED, ResultStatus.DENIED


class Executor(BaseExecutor):
    def __init__(self):
        self.done = []

    async def execute(self, action):
        self.done.append(action.type)


def carried_out(*types, parallel=False, **options):
    """The results of a plan of actions of these types, and the executor."""
    executor = Executor()

    async def main():
        async with Runtime(executor=executor, **options) as runtime:
            plan = runtime.plan([Action(type, "crm") for type in types])
            return await runtime.execute(plan, parallel=parallel)

    return asyncio.run(main()), executor


def statuses(results):
    return [result.status for result in results]


def planned(approval, **sums):
    return Policy.from_dict(
        {
            "defaults": {"approval": "auto", "risk_level": "low"},
            "plan_rules": {
                "sequence_patterns": [
                    {"name": "exfiltration", "steps": ["read_secret*", "send*"],
                     "approval": approval, "description": "secrets leave"},
                ],
                **({"cumulative_risk": sums} if sums else {}),
            },
        }
    )  # fmt: skip


SEQUENCE = ("read_secrets", "look", "send_mail", "look")


def test_a_blocking_plan_rule_blocks_the_whole_plan(ledger):
    results, executor = carried_out(*SEQUENCE, policy=planned("block"))
    assert statuses(results) == [BLOCKED] * 4
    assert executor.done == []
    assert {r["rule"] for r in ledger(kind="decision")} == {"exfiltration"}


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("answer", [True, False])
def test_a_plan_rule_that_wants_a_person_asks_where_the_sequence_completes(parallel, answer):
    asked = []
    handler = CallbackApprovalHandler(lambda d: asked.append(d.action.type) or answer)
    results, executor = carried_out(
        *SEQUENCE, policy=planned("approve"), approval_handler=handler, parallel=parallel
    )
    assert asked == ["send_mail"]
    if answer:
        assert statuses(results) == [OK] * 4
    else:
        assert "send_mail" not in executor.done
        assert statuses(results)[2] is DENIED


def test_the_same_sequence_one_by_one_is_the_same_sequence():
    async def main():
        runtime = Runtime(executor=Executor(), policy=planned("block"))
        results = [await runtime.run_one(Action(t)) for t in ("look", "read_secrets", "send")]
        results += await runtime.execute(runtime.plan([Action("send_mail"), Action("look")]))
        other = Runtime(executor=Executor(), policy=planned("block"))
        return [*results, await other.run_one(Action("send"))]

    assert statuses(asyncio.run(main())) == [OK, OK, BLOCKED, BLOCKED, OK, OK]


def test_what_was_refused_is_no_step():
    async def main():
        runtime = Runtime(executor=Executor(), policy=planned("block"))
        aegis.kill_agent("Bot")
        off = Action("read_secrets", actor=aegis.Actor(agent="Bot"))
        return [await runtime.run_one(action) for action in (off, Action("send"))]

    assert statuses(asyncio.run(main())) == [BLOCKED, OK]


def test_risk_adds_up_within_a_plan():
    policy = planned("block", max_total_risk=2, on_exceed="block")
    assert statuses(carried_out("a", "b", policy=policy)[0]) == [OK, OK]
    assert statuses(carried_out("a", "b", "c", policy=policy)[0]) == [BLOCKED] * 3
    asked = []
    handler = CallbackApprovalHandler(lambda d: asked.append(d.action.type) or True)
    policy = planned("block", max_total_risk=2, on_exceed="approve")
    results, _ = carried_out("a", "b", "c", "d", policy=policy, approval_handler=handler)
    assert statuses(results) == [OK] * 4
    assert asked == ["c", "d"]
