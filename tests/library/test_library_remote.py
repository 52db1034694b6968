"""The same code with `AEGIS_URL`: a server decides, the program performs and reports."""

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import aegis
from aegis import (
    Action,
    ApprovalDenied,
    ApprovalTimeout,
    BaseExecutor,
    BlockedError,
    CallerError,
    ConfigError,
    KillSwitchError,
    Policy,
    Runtime,
    ServerError,
    agent,
    agent_context,
    monitor,
)


@monitor
def lookup(customer, note=""):
    return {"balance": 5, "for": customer}


@monitor("lookup later")
async def lookup_later(customer):
    await asyncio.sleep(0)
    return ("balance", customer)


def test_decorated_functions_ask_the_server(server, events, home):
    agent("Remote Bot", owner="alice", allows=["lookup*"], blocks=["drop"])
    drop = monitor("drop")(lambda: pytest.fail("performed"))
    with agent_context("Remote Bot"):
        assert lookup(1) == {"balance": 5, "for": 1}
        assert asyncio.run(lookup_later(2)) == ("balance", 2)
        with pytest.raises(BlockedError) as blocked:
            drop()
        with pytest.raises(ApprovalTimeout):
            monitor("read mail")(lambda: pytest.fail("performed"))()
    assert blocked.value.decision.rule == "Remote Bot/block"
    assert blocked.value.decision.policy.startswith("sha256:")
    assert [e.status for e in events] == ["ALLOWED", "ALLOWED", "BLOCKED", "EXPIRED"]
    decisions = [d for d in server.records("decision") if d["actor"].get("agent") == "Remote Bot"]
    assert [(d["type"], d["verdict"]) for d in decisions] == [
        ("lookup", "allow"), ("lookup later", "allow"), ("drop", "block"), ("read mail", "block"),
    ]  # fmt: skip
    assert decisions[0]["actor"]["principal"].startswith("key_")
    assert decisions[0]["actor"]["session"].startswith(decisions[0]["actor"]["principal"] + "/")
    assert not (home / ".aegis").exists()
    with pytest.raises(ApprovalTimeout, match="made for no agent"):
        lookup(3)


def test_guarded_functions_ask_the_server(server):
    @aegis.guard
    def read_rows(count: int):
        return [count]

    @aegis.guard
    def remove_rows():
        pytest.fail("performed")

    assert read_rows(3) == [3]
    with pytest.raises(BlockedError, match="no_deletes"):
        remove_rows()


class Executor(BaseExecutor):
    async def execute(self, action):
        if action.type == "read fails":
            raise RuntimeError("no connection")
        return {"done": action.type, "params": action.params}


def test_the_runtime_asks_the_server_and_its_own_policy_only_tightens(server):
    policy = Policy.from_dict(
        {
            "defaults": {"approval": "auto"},
            "rules": [{"name": "mine", "match": {"type": "read secrets"}, "approval": "block"}],
        }
    )

    async def main():
        async with Runtime(executor=Executor(), policy=policy, agent_id="Worker") as runtime:
            types = ("read", "read secrets", "delete", "write", "read fails", "read")
            plan = runtime.plan([Action(type, params={"n": 1}) for type in types])
            return plan, await runtime.execute(plan)

    plan, results = asyncio.run(main())
    words = ["allow", "block", "block", "block", "allow", "allow"]
    assert [d.verdict.word for d in plan.decisions] == words
    assert [r.status.value for r in results] == [
        "success", "blocked", "blocked", "blocked", "failed", "skipped",
    ]  # fmt: skip
    assert results[0].data == {"done": "read", "params": {"n": 1}}
    assert results[1].decision.rule == "client:mine"
    failed = [o for o in server.records("outcome") if o["status"] == "failed"]
    assert "RuntimeError: no connection" in failed[-1]["error"]


def test_values_that_are_not_json_stay_what_they_are(server):
    agent("Remote Bot", allows=["lookup*"])
    thing = object()

    @monitor("lookup thing")
    def look(given, table):
        assert given is thing
        return given, table

    with agent_context("Remote Bot"):
        assert look(thing, {1: (2, 3)}) == (thing, {1: (2, 3)})


def test_what_a_function_raises_is_raised(server):
    agent("Remote Bot", allows=["lookup*"])

    @monitor("lookup broken")
    def broken():
        raise KeyError("row")

    with agent_context("Remote Bot"), pytest.raises(KeyError, match="row"):
        broken()


def test_many_threads_and_tasks(server):
    agent("Remote Bot", allows=["lookup*"])

    async def tasks():
        async with agent_context("Remote Bot"):
            return await asyncio.gather(*(lookup_later(i) for i in range(30)))

    with agent_context("Remote Bot"), ThreadPoolExecutor(8) as pool:
        work = [pool.submit(aegis.carry_context(lookup), i) for i in range(30)]
        assert [w.result()["for"] for w in work] == list(range(30))
    assert asyncio.run(tasks()) == [("balance", i) for i in range(30)]


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_people_answer_on_the_server(own, verb):
    outcome = []
    ask = aegis.guard(action_type="ask")(lambda amount: f"sent {amount}")

    def work():
        try:
            outcome.append(ask(5))
        except BlockedError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    id = pending(own)
    own.cli(verb, id, "--as", "alice")
    thread.join(20)
    if verb == "approve":
        assert outcome == ["sent 5"]
    else:
        assert isinstance(outcome[0], ApprovalDenied)


def pending(server):
    deadline = time.monotonic() + 15
    with sqlite3.connect(server.folder / "home" / "state.db") as state:
        while time.monotonic() < deadline:
            row = state.execute("SELECT id FROM approvals WHERE state = 'pending'").fetchone()
            if row:
                return row[0]
            time.sleep(0.02)
    raise AssertionError("nothing waits for a person")


def test_the_kill_switch_from_here_and_from_there(own):
    agent("Remote Bot", allows=["lookup*"])
    with agent_context("Remote Bot"):
        lookup(1)
        own.cli("kill", "Remote Bot")
        with pytest.raises(KillSwitchError):
            lookup(2)
        own.cli("revive", "Remote Bot")
        lookup(3)
        aegis.kill_agent("Remote Bot", "from the program")
        with pytest.raises(KillSwitchError, match="from the program"):
            lookup(4)
        with pytest.raises(ServerError, match="needs the role `operator`"):
            aegis.revive_agent("Remote Bot")


def test_a_server_that_cannot_be_reached_permits_nothing(own):
    agent("Remote Bot", allows=["lookup*"])
    done = []
    work = monitor("lookup")(lambda: done.append(1))
    stop = monitor("lookup and stop")(own.stop)
    with agent_context("Remote Bot"):
        work()
        with pytest.raises(ServerError, match=r"was performed.*withheld"):
            stop()
        with pytest.raises(ServerError, match="nothing is permitted without it"):
            work()
    assert done == [1]
    assert [o["status"] for o in own.records("outcome")] == ["performed", "unknown"]


@pytest.mark.parametrize(
    ("url", "key", "error"),
    [
        ("ftp://x", "", ConfigError),
        ("not a url", "", ConfigError),
        ("http://127.0.0.1:9", "", ServerError),
        ("", "sk-aegis-wrong", ServerError),
        ("", "", ServerError),
    ],
)
def test_bad_addresses_and_keys(server, monkeypatch, url, key, error):
    monkeypatch.setenv("AEGIS_URL", url or server.url)
    monkeypatch.setenv("AEGIS_API_KEY", key)
    with pytest.raises(error):
        aegis.guard(action_type="read")(lambda: pytest.fail("performed"))()


def test_the_base_url_of_an_sdk_names_the_same_server(server, monkeypatch):
    monkeypatch.setenv("AEGIS_URL", f"{server.url}/v1/")
    assert aegis.guard(action_type="read")(lambda: "done")() == "done"


def test_approvals_and_records_belong_to_the_server(server):
    for ask in (
        lambda: aegis.create_approval("Bot", "x"),
        lambda: aegis.wait_for_approval("ap_1"),
        lambda: aegis.decide_approval("ap_1", True),
        aegis.show_audit_log,
    ):
        with pytest.raises(CallerError, match="on the server"):
            ask()


def test_masked_params_and_results_are_what_the_program_gets(serve, monkeypatch):
    masking = {"arguments": "mask", "results": "mask"}
    own = serve(guardrails={"pii": {"enabled": True, "action": "mask", "options": masking}})
    monkeypatch.setenv("AEGIS_URL", own.url)
    monkeypatch.setenv("AEGIS_API_KEY", own.keys["app"])
    seen = []

    @aegis.guard(action_type="read")
    def read(note, count=2):
        seen.append((note, count))
        return {"contact": "ada@example.com", "count": count}

    said = read("write to bob@example.com")
    assert "bob@example.com" not in str(seen)
    assert "ada@example.com" not in str(said)
    assert said["count"] == 2
