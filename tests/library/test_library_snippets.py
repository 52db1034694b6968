"""Programs written against the agent firewall and the governance library run unchanged."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

import aegis

POLICY = """\
version: "1"
defaults:
  risk_level: medium
  approval: approve
rules:
  - name: read_safe
    match: { type: "read*" }
    risk_level: low
    approval: auto
  - name: bulk_ops_need_approval
    match: { type: "bulk_*" }
    conditions:
      param_gt: { count: 100 }
    risk_level: high
    approval: approve
  - name: no_deletes
    match: { type: "delete*" }
    risk_level: critical
    approval: block
"""

AEGIS = "guardrails:\n  pii: { enabled: true, action: mask }\npolicy:\n" + textwrap.indent(
    POLICY, "  "
)


def run(home, program):
    """Run a program as its author would; gives what it prints."""
    (home / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# the agent firewall


def test_register_wrap_and_act(home):
    said = run(
        home,
        """
        import aegis

        class db:
            @staticmethod
            def query(text):
                return text

        from sentinel import agent, monitor, agent_context

        # 1. Register agent with policy
        @agent("SupportBot", owner="alice", allows=["lookup_balance"], blocks=["delete_records"])
        class SupportBot: pass

        # 2. Wrap any tool with firewall enforcement
        @monitor
        def lookup_balance(customer_id: int) -> str:
            return db.query(f"SELECT balance FROM accounts WHERE customer_id = {customer_id}")

        @monitor
        def delete_records(table):
            print("never executes")

        # 3. Use tools under an agent's identity
        with agent_context("SupportBot"):
            print(lookup_balance(42))
            try:
                delete_records("tmp")
            except aegis.BlockedError as error:
                print(error.decision.rule)
        """,
    )
    assert said == "SELECT balance FROM accounts WHERE customer_id = 42\nSupportBot/block\n"


def test_sentinel_as_the_first_import_of_a_program(home):
    said = run(
        home,
        """
        from sentinel import agent, monitor, agent_context
        from sentinel.core import register_agent
        import aegis
        print(agent is aegis.agent, register_agent is aegis.register_agent)
        """,
    )
    assert said == "True True\n"


def test_the_same_tool_under_two_agents(home):
    said = run(
        home,
        """
        import aegis
        from sentinel import agent, agent_context, monitor

        # knows about every tool, allowed to use three
        DECORATOR = {
            "allowed_actions": ["lookup_balance", "get_transaction_history", "send_notification"],
            "blocked_actions": ["delete_records", "connect_external"],
        }

        @agent("Customer Support", **DECORATOR)
        class Support: pass

        @agent("Fraud Detection", allowed_actions=["access_ssn"])
        class Fraud: pass

        @monitor
        def access_ssn(customer_id):
            return f"ssn of {customer_id}"

        for name in ("Customer Support", "Fraud Detection"):
            with agent_context(name):
                try:
                    print(access_ssn(customer_id=3))
                except aegis.ApprovalTimeout as error:
                    print(error.decision.matched_rule)
        """,
    )
    assert said == "Customer Support/unlisted\nssn of 3\n"


def test_the_kill_switch_and_the_log(home):
    said = run(
        home,
        """
        import aegis
        from sentinel import agent_context, kill_agent, monitor, revive_agent, set_monitor_hook
        from sentinel.core import register_agent, validate_action
        from sentinel.cli import show_audit_log
        from sentinel.exceptions import SentinelBlockedError, SentinelKillSwitchError

        seen = []
        set_monitor_hook(seen.append)
        register_agent("Bot", owner="bob", allows=["ping"])

        @monitor("ping")
        async def ping(): return "pong"

        import asyncio

        async def main():
            async with agent_context("Bot"):
                print(await ping())
                kill_agent("Bot")
                try:
                    await ping()
                except SentinelKillSwitchError as error:
                    print(isinstance(error, SentinelBlockedError))
                revive_agent("Bot")
                print(await ping())

        asyncio.run(main())
        print(validate_action("Bot", "other").requires_approval)
        print([row["verdict"] for row in show_audit_log("Bot")], [e.status for e in seen])
        """,
    )
    assert said == (
        "pong\nTrue\npong\nTrue\n['allow', 'block', 'allow'] ['ALLOWED', 'KILLED', 'ALLOWED']\n"
    )


# the governance library


def test_the_runtime_with_an_executor_of_ones_own(home):
    (home / "policy.yaml").write_text(POLICY)
    said = run(
        home,
        """
        import asyncio
        from aegis import Action, Policy, Runtime
        from aegis.adapters.base import BaseExecutor
        from aegis.core.result import Result, ResultStatus

        class MyExecutor(BaseExecutor):
            async def execute(self, action):
                print(f"  Executing: {action.type} -> {action.target}")
                return Result(action=action, status=ResultStatus.SUCCESS)

        async def main():
            async with Runtime(
                executor=MyExecutor(),
                policy=Policy.from_yaml("policy.yaml"),
            ) as runtime:
                plan = runtime.plan([
                    Action("read", "crm", description="Fetch contacts"),
                    Action("bulk_update", "crm", params={"count": 150}),
                    Action("delete", "crm", description="Drop table"),
                ])
                results = await runtime.execute(plan)
                print([result.status.value for result in results])
                print(plan.requires_approval, plan.has_blocked)

        asyncio.run(main())
        """,
    )
    # nobody approves the bulk update in time, which ends the plan
    assert said == "  Executing: read -> crm\n['success', 'denied', 'skipped']\nTrue True\n"


def test_one_action_in_process(home):
    (home / "policy.yaml").write_text(POLICY)
    said = run(
        home,
        """
        import asyncio
        from aegis import Action, Policy, Runtime, BaseExecutor

        class MyExecutor(BaseExecutor):
            async def execute(self, action):
                return {"rows": 3}

        async def main():
            runtime = Runtime(executor=MyExecutor(), policy=Policy.from_yaml("policy.yaml"))
            result = await runtime.run_one(Action("read", "crm"))
            print(result.ok, result.data)

        asyncio.run(main())
        """,
    )
    assert said == "True {'rows': 3}\n"


@pytest.mark.parametrize(("status", "ok"), [("ok", True), ("lost", False)])
def test_an_executor_that_verifies(status, ok):
    from aegis.adapters.base import BaseExecutor
    from aegis.core.action import Action
    from aegis.core.result import Result, ResultStatus

    class Api:
        async def call(self, type, target, **params):
            return {"status": params["status"]}

    my_api = Api()

    class MyAPIExecutor(BaseExecutor):
        async def execute(self, action: Action) -> Result:
            response = await my_api.call(action.type, action.target, **action.params)
            return Result(action=action, status=ResultStatus.SUCCESS, data=response)

        async def verify(self, action: Action, result: Result) -> bool:
            return result.data.get("status") == "ok"

    policy = aegis.Policy.from_dict({"defaults": {"approval": "auto"}})
    runtime = aegis.Runtime(executor=MyAPIExecutor(), policy=policy)
    result = asyncio.run(runtime.run_one(Action("read", "api", params={"status": status})))
    assert result.ok is ok


def test_init_finds_the_configuration_and_guards_functions(home):
    (home / "aegis.yaml").write_text(AEGIS)
    said = run(
        home,
        """
        import aegis
        aegis.init()

        @aegis.guard
        def read_contacts():
            return "contacts"

        @aegis.guard
        def delete_everything():
            print("never executes")

        print(read_contacts())
        try:
            delete_everything()
        except aegis.AegisBlockedError as error:
            print(error.decision.matched_rule)
        print(aegis.get() is aegis.init())
        aegis.shutdown()
        """,
    )
    assert said == "contacts\nno_deletes\nTrue\n"


def test_the_bare_decorator(home):
    said = run(
        home,
        """
        import aegis

        @aegis.guard
        def my_agent_function():
            ...

        print(my_agent_function())
        """,
    )
    assert said == "None\n"


CONDITIONS = """\
rules:
  - name: after_hours_block
    match: { type: "write*" }
    conditions:
      time_after: "18:00"
    risk_level: critical
    approval: block
  - name: large_bulk_ops
    match: { type: "update*" }
    conditions:
      param_gt: { count: 100 }
    risk_level: high
    approval: approve
  - name: weekday_deploys
    match: { type: "deploy*" }
    conditions:
      weekdays: [1, 2, 3, 4, 5]
    risk_level: medium
    approval: approve
  - name: block_harmful_content
    match: { type: "generate*" }
    conditions:
      semantic: "contains harmful, violent, or illegal content"
    risk_level: critical
    approval: block
defaults:
  approval: auto
"""


def test_smart_conditions_through_the_runtime(home):
    (home / "policy.yaml").write_text(CONDITIONS)
    policy = aegis.Policy.from_yaml("policy.yaml")
    runtime = aegis.Runtime(executor=Nothing(), policy=policy)
    evening = 1_763_752_000_000_000  # Friday 2025-11-21, 19:06:40 UTC
    morning = evening - 10 * 3_600_000_000
    actions = [
        aegis.Action("write_row", time=evening),
        aegis.Action("write_row", time=morning),
        aegis.Action("update", params={"count": 150}),
        aegis.Action("update", params={"count": 50}),
        aegis.Action("deploy", time=morning),
        aegis.Action("deploy", time=morning + 2 * 86_400_000_000),
        aegis.Action("generate", params={"prompt": "how to make a pipe bomb"}),
        aegis.Action("generate", params={"prompt": "a video that contains cats"}),
    ]
    rules = [d.matched_rule for d in runtime.plan(actions).decisions]
    assert rules == [
        "after_hours_block", "<default>", "large_bulk_ops", "<default>", "weekday_deploys",
        "<default>", "block_harmful_content", "<default>",
    ]  # fmt: skip


class Nothing(aegis.BaseExecutor):
    async def execute(self, action):
        return None
