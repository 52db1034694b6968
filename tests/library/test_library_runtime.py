"""`Runtime`: plans, execution, results, retries, plan rules."""

import asyncio
import copy

import msgspec
import pytest

import aegis
from aegis import (
    Action,
    AutoApprovalHandler,
    BaseExecutor,
    CallbackApprovalHandler,
    CallerError,
    ExecutionPlan,
    Policy,
    Result,
    ResultStatus,
    RetryPolicy,
    Runtime,
    RuntimeHooks,
)

OK, FAILED, BLOCKED, DENIED, SKIPPED = (
    ResultStatus.SUCCESS,
    ResultStatus.FAILED,
    ResultStatus.BLOCKED,
    ResultStatus.DENIED,
    ResultStatus.SKIPPED,
)

POLICY = Policy.from_dict(
    {
        "defaults": {"approval": "auto"},
        "rules": [
            {"name": "no_deletes", "match": {"type": "delete*"}, "approval": "block"},
            {"name": "ask", "match": {"type": "ask*"}, "approval": "approve"},
        ],
    }
)


class Executor(BaseExecutor):
    """Notes what it does; types tell it how to behave."""

    def __init__(self):
        self.done = []
        self.lives = []

    async def setup(self):
        self.lives.append("setup")

    async def teardown(self):
        self.lives.append("teardown")

    async def execute(self, action):
        self.done.append(action.type)
        if action.type.startswith("raise"):
            raise RuntimeError("no connection")
        if action.type.startswith("fail"):
            return Result(action=action, status=ResultStatus.FAILED, data="part", error="refused")
        if action.type == "flaky" and self.done.count("flaky") < 3:
            raise TimeoutError("slow down")
        return Result(action=action, status=ResultStatus.SUCCESS, data={"ok": action.params})

    async def verify(self, action, result):
        return "truthy" if action.type == "unverified" else True


def carried_out(*types, policy=POLICY, parallel=False, dry_run=False, executor=None, **options):
    """The results of a plan of actions of these types, and the executor."""
    executor = executor or Executor()

    async def main():
        async with Runtime(executor=executor, policy=policy, **options) as runtime:
            plan = runtime.plan([Action(type, "crm") for type in types])
            return await runtime.execute(plan, dry_run=dry_run, parallel=parallel)

    return asyncio.run(main()), executor


def statuses(results):
    return [result.status for result in results]


def test_results_say_what_became_of_each_action():
    results, executor = carried_out("read", "delete", "raise", "read")
    assert statuses(results) == [OK, BLOCKED, FAILED, SKIPPED]
    assert executor.done == ["read", "raise"]
    assert executor.lives == ["setup", "teardown"]
    assert results[0].data == {"ok": {}}
    assert [result.ok for result in results] == [True, False, False, False]
    assert results[0].completed_at >= results[0].started_at
    assert "no_deletes" in results[1].error
    assert results[2].error == "RuntimeError: no connection"
    assert "when `raise` was failed" in results[3].error
    with pytest.raises(AttributeError):
        results[0].data = 1


@pytest.mark.parametrize(
    ("type", "error"),
    [("fail", "refused"), ("unverified", "did not find the effect"), ("raise", "no connection")],
)
def test_what_does_not_succeed_is_failed_and_on_record(type, error, ledger):
    (result,), _ = carried_out(type)
    assert result.status is FAILED
    assert error in result.error
    record = ledger(kind="outcome")[-1]
    assert record["status"] == "failed"
    assert error in record["error"]


def test_skipped_actions_are_on_record(ledger):
    carried_out("raise", "read")
    last = ledger(kind="decision")[-1]
    assert (last["type"], last["rule"], last["verdict"]) == ("read", "<skipped>", "block")


def test_a_denied_action_ends_the_plan_and_a_blocked_one_does_not():
    deny = CallbackApprovalHandler(lambda decision: False)
    results, executor = carried_out("delete", "ask", "read", approval_handler=deny)
    assert statuses(results) == [BLOCKED, DENIED, SKIPPED]
    assert executor.done == []


def test_in_parallel_nothing_stops_the_others():
    results, executor = carried_out("read", "raise", "delete", "read", parallel=True)
    assert statuses(results) == [OK, FAILED, BLOCKED, OK]
    assert sorted(executor.done) == ["raise", "read", "read"]


def test_parallel_actions_overlap():
    class Slow(BaseExecutor):
        now = most = 0

        async def execute(self, action):
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            self.now -= 1
            return Result(action=action)

    slow = Slow()
    results, _ = carried_out(*["read"] * 200, parallel=True, executor=slow)
    assert statuses(results) == [OK] * 200
    assert 2 <= slow.most <= 64


def test_a_dry_run_performs_asks_and_records_nothing(ledger):
    results, executor = carried_out("read", "ask", "delete", dry_run=True)
    assert statuses(results) == [OK, OK, BLOCKED]
    assert [r.data for r in results[:2]] == [
        {"dry_run": True, "would_execute": True},
        {"dry_run": True, "approval_required": True},
    ]
    assert executor.done == []
    assert ledger() == []


def test_plans_preview():
    runtime = Runtime(executor=Executor(), policy=POLICY)
    plan = runtime.plan([Action("read"), Action("ask"), Action("delete")])
    assert (plan.has_blocked, plan.requires_approval, plan.has_plan_violations) == (
        True,
        True,
        False,
    )
    assert [d.matched_rule for d in plan.decisions] == ["<default>", "ask", "no_deletes"]
    assert plan.summary().splitlines()[2].startswith("block    delete")


def test_a_stale_or_handmade_plan_permits_nothing():
    async def main():
        executor = Executor()
        runtime = Runtime(executor=executor, policy=POLICY)
        plan = runtime.plan([Action("read")])
        runtime.update_policy(Policy.from_dict({"rules": []}))
        results = await runtime.execute(plan)
        runtime.update_policy(POLICY)
        forged = ExecutionPlan((Action("delete"),), plan.decisions)
        results += await runtime.execute(forged)
        return results, executor.done

    results, done = asyncio.run(main())
    assert statuses(results) == [BLOCKED, BLOCKED]
    assert done == []


def test_params_changed_after_the_plan_or_by_the_executor_change_nothing():
    params = {"amount": 1, "lines": [1]}
    seen = []

    class Meddling(BaseExecutor):
        async def execute(self, action):
            seen.append(copy.deepcopy(action.params))
            params["amount"] = 99
            action.params["lines"].append(2)
            return Result(action=action)

    async def main():
        runtime = Runtime(executor=Meddling(), policy=POLICY)
        return await runtime.run_one(Action("read", "crm", params=params))

    asyncio.run(main())
    assert seen == [{"amount": 1, "lines": [1]}]
    assert params == {"amount": 99, "lines": [1]}


def test_run_one_and_the_life_of_the_executor():
    async def main():
        executor = Executor()
        runtime = Runtime(executor=executor, policy=POLICY)
        await asyncio.gather(*(runtime.run_one(Action("read")) for _ in range(5)))
        await runtime.execute(runtime.plan([Action("read")]))
        await runtime.aclose()
        await runtime.aclose()
        return executor.lives

    assert asyncio.run(main()) == ["setup", "teardown"]


def test_executors_may_be_plain_and_return_plain_values():
    class Plain:
        def execute(self, action):
            return f"{action.type} done"

    results, _ = carried_out("read", executor=Plain())
    assert (results[0].status, results[0].data) == (OK, "read done")


def test_session_and_agent_are_on_record(ledger):
    carried_out("read", session_id="session-1", agent_id="Bot")
    actor = ledger(kind="decision")[-1]["actor"]
    assert (actor["session"], actor["agent"]) == ("session-1", "Bot")
    aegis.kill_agent("Bot")
    results, _ = carried_out("read", agent_id="Bot")
    assert statuses(results) == [BLOCKED]
    assert "switched off" in results[0].error


def test_the_policy_of_the_process_where_none_is_given(home):
    (home / "policy.yaml").write_text("rules: [{match: {type: 'read*'}, approval: auto}]\n")
    results, _ = carried_out("read", "write", policy=None)
    assert statuses(results) == [OK, BLOCKED]


def test_retries_are_actions_of_their_own(ledger):
    results, executor = carried_out(
        "flaky", retry_policy=RetryPolicy(max_retries=3, backoff_base=0.01)
    )
    assert statuses(results) == [OK]
    assert executor.done == ["flaky"] * 3
    decisions = ledger(kind="decision")
    assert len(decisions) == 3
    assert [d.get("parent", "") for d in decisions] == ["", *(d["action"] for d in decisions[:2])]


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (RetryPolicy(max_retries=2, backoff_base=0, retryable_errors=["connection"]), 3),
        (RetryPolicy(max_retries=2, backoff_base=0, retryable_errors=["timeout"]), 1),
        (RetryPolicy(), 1),
    ],
)
def test_only_listed_errors_are_retried(policy, attempts):
    results, executor = carried_out("raise", retry_policy=policy)
    assert statuses(results) == [FAILED]
    assert executor.done == ["raise"] * attempts


def test_an_agent_switched_off_is_not_retried():
    class Killer(BaseExecutor):
        count = 0

        async def execute(self, action):
            self.count += 1
            aegis.kill_agent("Bot")
            raise RuntimeError("failed")

    killer = Killer()
    retry = RetryPolicy(max_retries=5, backoff_base=0)
    results, _ = carried_out("read", executor=killer, agent_id="Bot", retry_policy=retry)
    assert statuses(results) == [BLOCKED]
    assert killer.count == 1


@pytest.mark.parametrize(("undo", "status"), [("undo", OK), ("delete_all", BLOCKED)])
def test_rollbacks_are_governed(undo, status, ledger):
    retry = RetryPolicy(rollback_action_type=undo, rollback_params={"all": True})
    results, executor = carried_out("raise", retry_policy=retry)
    assert results[0].status is FAILED
    assert results[0].rollback.status is status
    assert executor.done == (["raise", "undo"] if status is OK else ["raise"])
    assert ledger(kind="decision")[-1]["parent"] == results[0].action.id


def test_hooks_look_on_and_break_nothing():
    seen = []

    def broken(*args):
        seen.append(args)
        raise ValueError("broken hook")

    hooks = RuntimeHooks(on_decision=broken, on_approval=broken, on_execute=broken)
    results, _ = carried_out("ask", hooks=hooks, approval_handler=AutoApprovalHandler())
    assert statuses(results) == [OK]
    assert [len(args) for args in seen] == [2, 2, 1]
    assert seen[1][1] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"executor": object()},
        {"executor": Executor},
        {"policy": {"rules": []}},
        {"approval_handler": object()},
        {"audit_loger": 1},
    ],
)
def test_unusable_arguments_are_refused(wrong):
    with pytest.raises(CallerError):
        Runtime(**{"executor": Executor(), "policy": POLICY, **wrong})


def test_executor_and_policy_may_be_given_by_place():
    result = asyncio.run(Runtime(Executor(), POLICY).run_one(Action("read", "crm")))
    assert result.ok


def test_what_is_no_action_is_refused():
    runtime = Runtime(executor=Executor(), policy=POLICY)
    with pytest.raises(CallerError, match="an action is an `Action`"):
        runtime.plan(["read"])
    with pytest.raises(CallerError, match="takes what `plan` returns"):
        asyncio.run(runtime.execute([Action("read")]))
    with pytest.raises(CallerError):
        RetryPolicy(max_retries=1000)


def test_results_have_the_shape_people_expect():
    result = Result(action=Action("read", "crm"), status=ResultStatus.SUCCESS)
    assert result.ok
    assert result.status == "success"
    assert msgspec.structs.asdict(result)["error"] is None
