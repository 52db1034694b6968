"""A runtime with an executor of your own, a policy, and a plan of several actions.

    python examples/runtime_plan.py

A plan says beforehand what would happen. When it is executed, every action is decided again.
"""

import asyncio
import tempfile

import aegis
from aegis import Action, BaseExecutor, Policy, Result, Runtime

POLICY = Policy.from_dict(
    {
        "version": "1",
        "defaults": {"risk_level": "high", "approval": "block"},
        "rules": [
            {
                "name": "reads",
                "match": {"type": "read*"},
                "risk_level": "low",
                "approval": "auto",
            },
            {
                "name": "bulk_needs_a_person",
                "match": {"type": "bulk_*"},
                "conditions": {"param_gt": {"count": 100}},
                "risk_level": "high",
                "approval": "approve",
            },
            {
                "name": "no_deletes",
                "match": {"type": "delete*"},
                "risk_level": "critical",
                "approval": "block",
            },
        ],
    }
)


class CrmExecutor(BaseExecutor):
    """Carries actions out; here it only says so."""

    async def execute(self, action: Action) -> Result:
        return Result(action=action, data=f"{action.type} on {action.target} is done")


async def person(decision: aegis.Decision) -> bool:
    print(f"asked about {decision.action.type}: {'; '.join(decision.reasons)}")
    return True


async def main() -> None:
    runtime = Runtime(
        executor=CrmExecutor(),
        policy=POLICY,
        approval_handler=aegis.CallbackApprovalHandler(person),
    )
    async with runtime:
        plan = runtime.plan(
            [
                Action("read", "crm", description="fetch contacts"),
                Action("bulk_update", "crm", params={"count": 150}),
                Action("delete", "crm", description="drop the table"),
            ]
        )
        for result in await runtime.execute(plan):
            print(f"{result.action.type:12} {result.status.value:8} {result.data or result.error}")
        once = await runtime.run_one(Action("read_report", "crm"), dry_run=True)
        print(f"{once.action.type:12} dry run  {once.decision.verdict.word}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        aegis.init(config={"home": home})
        asyncio.run(main())
        aegis.shutdown()
