"""Agents, their lists, contexts, the kill switch, and monitored tools of every kind."""

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import aegis
from aegis import (
    ApprovalTimeout,
    BlockedError,
    CallerError,
    KillSwitchError,
    PolicyError,
    agent,
    agent_context,
    monitor,
)

DONE = []


@pytest.fixture(autouse=True)
def done():
    DONE.clear()


@monitor
def lookup_balance(customer_id: int) -> str:
    """A balance."""
    DONE.append(customer_id)
    return f"balance of {customer_id}"


@monitor
def delete_records(table: str) -> None:
    DONE.append(table)


@monitor()
async def lookup_later(customer_id: int) -> str:
    await asyncio.sleep(0)
    DONE.append(customer_id)
    return f"balance of {customer_id}"


def support(**lists):
    agent(
        "SupportBot", owner="alice", **(lists or {"allows": ["lookup_*"], "blocks": ["delete_*"]})
    )


def test_what_is_listed_decides(ledger):
    support(allows=["lookup_balance"], blocks=["delete_records"])
    with agent_context("SupportBot"):
        assert lookup_balance(42) == "balance of 42"
        with pytest.raises(BlockedError) as blocked:
            delete_records("tmp")
        with pytest.raises(ApprovalTimeout, match="no person approved this in time"):
            monitor("export")(lambda: DONE.append("export"))()
    assert DONE == [42]
    decision = blocked.value.decision
    assert (decision.rule, decision.verdict.word) == ("SupportBot/block", "block")
    assert decision.policy.startswith("sha256:")
    for part in ("delete_records", "SupportBot", decision.rule, decision.policy, decision.advice):
        assert part in str(blocked.value)
    said = [(r["type"], r["rule"], r["verdict"]) for r in ledger(kind="decision")]
    assert said == [
        ("lookup_balance", "SupportBot/allow", "allow"),
        ("delete_records", "SupportBot/block", "block"),
        ("export", "SupportBot/unlisted", "block"),
    ]


def test_a_tool_is_named_by_place_or_by_keyword(ledger):
    @monitor(name="lookup")
    def first():
        return 1

    @monitor("lookup", target="crm")
    def second():
        return 2

    aegis.register_agent("Bot", allows=["lookup"])
    with agent_context("Bot"):
        assert (first(), second()) == (1, 2)
    assert [record["type"] for record in ledger(kind="decision")] == ["lookup"] * 2


def test_the_same_tool_under_different_agents():
    agent("Support", allows=["lookup_balance"])
    agent("Fraud", allows=["access_ssn"])
    tool = monitor("access_ssn")(lambda customer_id: f"ssn {customer_id}")
    with agent_context("Fraud"):
        assert tool(customer_id=3) == "ssn 3"
    with agent_context("Support"), pytest.raises(ApprovalTimeout):
        tool(customer_id=3)


def test_lists_as_a_dictionary_and_globs():
    lists = {"allowed_actions": ["lookup_*"], "blocked_actions": ["*_records"],
             "review_actions": ["send_*"]}  # fmt: skip

    @agent("Bot", owner="bob", **lists)
    class Bot:
        pass

    assert Bot.__aegis_agent__ == "Bot"
    names = ("lookup_x", "delete_records", "send_mail", "other", "LOOKUP_X")
    said = [aegis.validate_action("Bot", name).verdict.word for name in names]
    assert said == ["allow", "block", "review", "review", "allow"]


@pytest.mark.parametrize(
    ("name", "lists", "error"),
    [
        ("", {}, CallerError),
        ("x" * 201, {}, CallerError),
        (None, {}, CallerError),
        ("A", {"alows": ["x"]}, CallerError),
        ("A", {"owner_list": []}, CallerError),
        ("A", {"allows": 5}, CallerError),
        ("A", {"allows": [5]}, CallerError),
        ("A", {"allows": ["[a"]}, PolicyError),
    ],
)
def test_bad_registrations_are_refused_at_once(name, lists, error):
    with pytest.raises(error):
        agent(name, **lists)


def test_bare_agent_is_explained():
    with pytest.raises(CallerError, match="an agent needs a name"):

        @agent
        class Nameless:
            pass


def test_outside_any_agent_a_monitored_call_waits_for_a_person(home, ledger):
    with pytest.raises(ApprovalTimeout, match="made for no agent"):
        lookup_balance(1)
    assert not DONE
    assert ledger(kind="decision")[-1]["rule"] == "<no-agent>"
    aegis.shutdown()
    # also under a policy that lets everybody read
    (home / "aegis.yaml").write_text(
        "policy: {rules: [{match: {type: 'lookup*'}, approval: auto}]}\n"
    )
    with pytest.raises(ApprovalTimeout, match="made for no agent"):
        lookup_balance(1)
    assert not DONE


def test_a_rule_may_take_calls_without_agent_into_its_own_hands(home):
    (home / "aegis.yaml").write_text(
        "policy: {rules: [{match: {type: 'lookup*', label: no-agent}, approval: auto}]}\n"
    )
    assert lookup_balance(1) == "balance of 1"


def test_an_agent_nobody_registered_waits_unless_a_policy_knows_it(home):
    with agent_context("Stranger"), pytest.raises(ApprovalTimeout, match="not registered"):
        lookup_balance(1)
    aegis.shutdown()
    (home / "aegis.yaml").write_text(
        "policy: {rules: [{match: {agent: Stranger, type: 'lookup*'}, approval: auto}]}\n"
    )
    with agent_context("Stranger"):
        assert lookup_balance(1) == "balance of 1"


def test_lists_narrow_a_written_policy_and_never_widen_it(home):
    (home / "aegis.yaml").write_text(
        "policy:\n  rules:\n"
        "    - {name: no_deletes, match: {type: 'delete*'}, approval: block}\n"
        "    - {name: reads, match: {type: 'lookup*'}, approval: auto}\n"
    )
    agent("Bot", allows=["delete_records", "transfer"], blocks=["lookup_ssn"])
    said = {
        name: aegis.validate_action("Bot", name).rule
        for name in ("delete_records", "lookup_ssn", "lookup_balance", "transfer")
    }
    assert said == {
        "delete_records": "no_deletes",
        "lookup_ssn": "Bot/block",
        "lookup_balance": "Bot/unlisted",
        "transfer": "Bot/allow",
    }


def test_contexts_nest_and_the_outer_agents_are_the_chain(ledger):
    support()
    agent("Planner", allows=["*"])
    with agent_context("Planner"):
        with agent_context("SupportBot"):
            lookup_balance(1)
        lookup_balance(2)
    chains = [
        (r["actor"].get("agent"), r["actor"].get("chain", [])) for r in ledger(kind="decision")
    ]
    assert chains == [("SupportBot", ["Planner"]), ("Planner", [])]
    aegis.kill_agent("Planner")
    with agent_context("Planner"), agent_context("SupportBot"), pytest.raises(KillSwitchError):
        lookup_balance(3)


def test_set_and_reset_by_hand():
    support()
    token = aegis.set_agent_context("SupportBot")
    lookup_balance(1)
    aegis.reset_agent_context(token)
    with pytest.raises(ApprovalTimeout):
        lookup_balance(2)
    aegis.set_agent_context("SupportBot")
    aegis.reset_agent_context()
    with pytest.raises(ApprovalTimeout):
        lookup_balance(3)
    assert DONE == [1]


def test_agents_that_call_in_circles_are_stopped():
    def deeper():
        with agent_context("Loop"):
            deeper()

    with pytest.raises(CallerError, match="calls in circles"):
        deeper()


def test_tasks_inherit_the_agent_and_do_not_mix():
    support()
    agent("Other", blocks=["lookup_later"])

    async def one(name, number):
        async with agent_context(name):
            await asyncio.sleep(0)
            return await lookup_later(number)

    async def main():
        async with agent_context("SupportBot"):
            inherited = asyncio.create_task(lookup_later(0))
        return await asyncio.gather(
            inherited,
            *(one("SupportBot" if i % 2 else "Other", i) for i in range(20)),
            return_exceptions=True,
        )

    first, *results = asyncio.run(main())
    assert first == "balance of 0"
    assert results[1::2] == [f"balance of {i}" for i in range(1, 20, 2)]
    assert all(isinstance(r, BlockedError) for r in results[::2])


def test_threads_act_for_nobody_unless_the_context_is_carried():
    support()
    with agent_context("SupportBot"), ThreadPoolExecutor(4) as pool:
        alone = pool.submit(lookup_balance, 1)
        carried = [pool.submit(aegis.carry_context(lookup_balance), i) for i in range(2, 40)]
        in_thread = asyncio.run(asyncio.to_thread(lookup_balance, 50))
    with pytest.raises(ApprovalTimeout):
        alone.result()
    assert [f.result() for f in carried] == [f"balance of {i}" for i in range(2, 40)]
    assert in_thread == "balance of 50"


def test_many_threads_open_aegis_once(home):
    support()
    barrier = threading.Barrier(8)

    @aegis.agent("SupportBot", allows=["lookup_*"])
    def work(i):
        barrier.wait()
        return lookup_balance(i)

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(work, range(8)))) == 8
    assert not (home / ".aegis" / "ledger.1.db").exists()


# the kill switch


def test_the_kill_switch_stops_the_very_next_call():
    support()
    with agent_context("SupportBot"):
        lookup_balance(1)
        aegis.kill_agent("SupportBot", "odd behaviour")
        with pytest.raises(KillSwitchError, match="switched off: odd behaviour"):
            lookup_balance(2)
        aegis.revive_agent("SupportBot")
        lookup_balance(3)
    assert DONE == [1, 3]


def test_the_kill_switch_of_another_process(child):
    support()
    with agent_context("SupportBot"):
        lookup_balance(1)
        child("import aegis; aegis.kill_agent('SupportBot', 'from afar')")
        with pytest.raises(KillSwitchError, match="from afar"):
            lookup_balance(2)
        child("import aegis; aegis.revive_agent('SupportBot')")
        lookup_balance(3)
    assert DONE == [1, 3]


def test_registered_lists_hold_in_other_processes_and_a_kill_survives_registering(child):
    support()
    lists = aegis.get().home.runtime.state.agents()
    assert [(a.name, a.owner, a.allow, a.block) for a in lists] == [
        ("SupportBot", "alice", ("lookup_*",), ("delete_*",))
    ]
    aegis.kill_agent("SupportBot")
    said = child(
        "import aegis\n"
        "aegis.agent('SupportBot', owner='alice', allows=['lookup_*'], blocks=['x'])\n"
        "print(aegis.validate_action('SupportBot', 'lookup_x').rule)"
    )
    assert said == "<kill-switch>\n"
    assert aegis.validate_action("SupportBot", "x").rule == "<kill-switch>"


def test_seconds_between_kill_and_effect_in_a_running_loop(home):
    """A worker in another process stops within moments of a kill here."""
    program = (
        "import aegis, time\n"
        "aegis.agent('Worker', allows=['tick'])\n"
        "@aegis.monitor\n"
        "def tick(): pass\n"
        "with aegis.agent_context('Worker'):\n"
        "    tick(); print('begun', flush=True)\n"
        "    try:\n"
        "        for _ in range(3000): tick(); time.sleep(0.01)\n"
        "    except aegis.KillSwitchError: print('killed', flush=True)\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program], cwd=home, stdout=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout.readline() == "begun\n"
        aegis.kill_agent("Worker")
        began = time.monotonic()
        assert worker.stdout.readline() == "killed\n"
        assert time.monotonic() - began < 5
        assert worker.wait(30) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
