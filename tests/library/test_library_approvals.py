"""Who answers: handlers in this process, people in another one, nobody."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import aegis
from aegis import (
    Action,
    ApprovalDenied,
    ApprovalHandler,
    ApprovalTimeout,
    AutoApprovalHandler,
    BlockedError,
    CallbackApprovalHandler,
    CallerError,
    CLIApprovalHandler,
    Policy,
    ResultStatus,
    Runtime,
    agent,
    agent_context,
    monitor,
)
from aegis.surfaces.library import approvals

ASK = {"policy": {"rules": [{"name": "ask", "match": {"type": "*"}, "approval": "approve"}]}}


class Plain:
    def execute(self, action):
        return "done"


def run_one(handler, params=None):
    async def main():
        runtime = Runtime(
            executor=Plain(), policy=Policy.from_dict(ASK["policy"]), approval_handler=handler
        )
        return await runtime.run_one(Action("pay", "bank", params=params or {"amount": 5}))

    return asyncio.run(main())


def answered(ledger):
    record = ledger(kind="approval")[-1]
    return record["state"], record.get("by", ""), record.get("channel", "")


class Custom(ApprovalHandler):
    def __init__(self, answer):
        self.answer = answer

    async def request_approval(self, decision):
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer", [False, None, "false", "yes", 1, {"approved": "true"}, RuntimeError("down")]
)
def test_only_true_approves(answer, ledger):
    result = run_one(Custom(answer))
    assert result.status is ResultStatus.DENIED
    assert answered(ledger)[0] == "denied"


def test_a_handler_sees_the_decision_and_the_action(ledger):
    seen = []

    class Look(ApprovalHandler):
        async def request_approval(self, decision):
            seen.append(decision)
            return True

    assert run_one(Look()).ok
    (decision,) = seen
    assert decision.action.params == {"amount": 5}
    assert (decision.matched_rule, decision.requires_approval) == ("ask", True)
    assert decision.request.startswith("ap_")
    assert answered(ledger) == ("approved", "Look", "handler")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_callbacks_plain_and_async(asynchronous, ledger):
    def plain(decision):
        return decision.action.params["amount"] < 10

    async def later(decision):
        return plain(decision)

    handler = CallbackApprovalHandler(later if asynchronous else plain)
    assert run_one(handler).ok
    assert answered(ledger)[2] == "callback"
    assert run_one(handler, {"amount": 10}).status is ResultStatus.DENIED
    with pytest.raises(CallerError):
        CallbackApprovalHandler("yes")


def test_automatic_approval_is_recorded_as_such(ledger):
    assert run_one(AutoApprovalHandler()).ok
    assert answered(ledger) == ("approved", "auto", "auto")
    assert "nobody was asked" in ledger(kind="approval")[-1]["comment"]


def test_an_async_handler_runs_on_the_loop_of_its_caller():
    loops = []

    class Loop(ApprovalHandler):
        async def request_approval(self, decision):
            loops.append(asyncio.get_running_loop())
            return True

    async def main():
        runtime = Runtime(
            executor=Plain(), policy=Policy.from_dict(ASK["policy"]), approval_handler=Loop()
        )
        assert (await runtime.run_one(Action("pay"))).ok
        return asyncio.get_running_loop()

    assert asyncio.run(main()) is loops[0]


def test_handlers_of_decorated_functions(ledger):
    handler = Custom(True)
    aegis.init(config=ASK, approval_handler=handler)

    @aegis.guard
    def pay(amount):
        return amount

    @aegis.guard
    async def pay_later(amount):
        return pay(amount)  # a sync call on a running loop asks as well

    assert pay(1) == 1
    assert asyncio.run(pay_later(2)) == 2
    handler.answer = False
    with pytest.raises(ApprovalDenied, match="denied by `Custom`"):
        pay(3)
    with pytest.raises(CallerError):
        aegis.init(approval_handler=5)


def test_a_slow_handler_expires(monkeypatch, ledger):
    monkeypatch.setattr(approvals, "HANDLER_SECONDS", 0.05)

    class Slow(ApprovalHandler):
        async def request_approval(self, decision):
            await asyncio.sleep(30)
            return True

    assert run_one(Slow()).status is ResultStatus.DENIED
    assert answered(ledger)[0] == "expired"


class Terminal:
    def __init__(self, line):
        self.line = line

    def isatty(self):
        return True

    def readline(self):
        return self.line


@pytest.mark.parametrize(
    ("line", "ok"), [("y\n", True), ("YES\n", True), ("n\n", False), ("", False), ("yep\n", False)]
)
def test_the_terminal(line, ok, monkeypatch, capsys, ledger):
    monkeypatch.setattr(sys, "stdin", Terminal(line))
    monkeypatch.setattr(approvals.select, "select", lambda *a: ([1], [], []))
    assert run_one(None, {"note": "\x1b[2Jhidden"}).ok is ok  # a terminal is asked by itself
    shown = capsys.readouterr().out
    assert "pay on bank needs your approval" in shown
    assert "\x1b" not in shown
    assert answered(ledger)[2] == "terminal"
    assert run_one(CLIApprovalHandler()).ok is ok


def test_what_waits_says_so_where_nobody_else_is_told(home, caplog):
    assert run_one(None).status == "denied"
    (said,) = [r.getMessage() for r in caplog.records if "waits for a person" in r.getMessage()]
    assert said.startswith("`pay` waits for a person; answer with `aegis approve ap_")
    aegis.shutdown()
    caplog.clear()
    (home / "aegis.yaml").write_text("approvals: { channels: [notice] }\n")
    assert run_one(None, {"amount": 6}).status == "denied"
    assert "waits for a person" not in caplog.text


def test_without_a_terminal_and_without_people_it_expires(ledger):
    result = run_one(None)
    assert result.status is ResultStatus.DENIED
    assert "no person approved this in time" in result.error
    assert answered(ledger)[0] == "expired"


# answers from another process


def waiting(home, seconds=10):
    """The id of the approval that is open now."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pending = aegis.get().home.runtime.desk.pending()
        if pending:
            return pending[0].id
        time.sleep(0.02)
    raise AssertionError("nothing waits for a person")


def cli(home, *words):
    return subprocess.run(
        [Path(sys.executable).with_name("aegis"), *words],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_a_person_answers_in_another_process(home, patient, verb, ledger):
    agent("Bot", allows=["look"])
    outcome = []

    @monitor
    def transfer(amount):
        return f"sent {amount}"

    def work():
        with agent_context("Bot"):
            try:
                outcome.append(transfer(5))
            except BlockedError as error:
                outcome.append(error)

    thread = threading.Thread(target=work)
    aegis.get()
    thread.start()
    done = cli(home, verb, waiting(home), "--as", "alice", "--comment", "looked at it")
    thread.join(30)
    assert done.returncode == 0, done.stdout + done.stderr
    if verb == "approve":
        assert outcome == ["sent 5"]
        assert "approved by `alice`" in str(ledger(kind="decision")[-1]["reasons"])
    else:
        assert isinstance(outcome[0], ApprovalDenied)
        assert "denied by `alice`: looked at it" in str(outcome[0])


def test_an_approval_is_for_one_exact_call_and_used_once(home, patient, child):
    agent("Bot", allows=["look"])
    transfer = monitor("transfer")(lambda amount: f"sent {amount}")

    async def main():
        later = monitor("transfer")(_later)
        with agent_context("Bot"):
            task = asyncio.create_task(later(5))
        id = await asyncio.to_thread(waiting, home)
        await asyncio.to_thread(
            child, f"import aegis; aegis.decide_approval({id!r}, 'APPROVED', by='alice')"
        )
        return await task

    assert asyncio.run(main()) == "sent 5"
    aegis.get().home.runtime.ports.wait_seconds = 0.1
    with agent_context("Bot"):
        for amount in (5, 6):
            with pytest.raises(ApprovalTimeout):
                transfer(amount)


async def _later(amount):
    return f"sent {amount}"


def test_who_asks_cannot_approve(home):
    agent("Bot", allows=["look"])
    id = aegis.create_approval("Bot", "transfer", {"amount": 5})
    with pytest.raises(CallerError, match="cannot approve it"):
        aegis.decide_approval(id, "APPROVED", by="Bot")


def test_approvals_by_hand(ledger):
    agent("Bot", allows=["look"], blocks=["drop"])
    done = monitor("transfer")(lambda amount: f"sent {amount}")
    id = aegis.create_approval("Bot", "transfer", {"amount": 5})
    with pytest.raises(ApprovalTimeout, match=f"aegis approve {id}"):
        aegis.wait_for_approval(id, timeout=0.05)
    aegis.decide_approval(id, "APPROVED", by="alice")
    with agent_context("Bot"):
        with pytest.raises(ApprovalTimeout):
            done(6)
        assert done(5) == "sent 5"
        with pytest.raises(ApprovalTimeout):
            done(5)
    for word, approved in (("approved", True), (True, True), ("DENIED", False), (False, False)):
        id = aegis.create_approval("Bot", "transfer", {"word": str(word)})
        aegis.decide_approval(id, word, by="alice")
        assert aegis.wait_for_approval(id, timeout=1) is approved
    with pytest.raises(CallerError, match="APPROVED or DENIED"):
        aegis.decide_approval(id, "maybe")
    with pytest.raises(CallerError, match="no approval"):
        aegis.wait_for_approval("ap_0", timeout=0.1)
    with pytest.raises(BlockedError, match="Bot/block"):
        aegis.create_approval("Bot", "drop")
    events = [r["event"] for r in ledger(kind="admin")]
    assert events.count("approval.create") == 5
    assert events.count("approval.answer") == 5


def test_the_log_of_an_agent_shows_every_process(child):
    agent("Bot", allows=["look"])
    look = monitor("look")(lambda n: n)
    with agent_context("Bot"):
        look(1)
    child(
        "import aegis\naegis.agent('Bot', allows=['look'])\n"
        "with aegis.agent_context('Bot'): aegis.monitor('look')(lambda n: n)(2)"
    )
    shown = aegis.show_audit_log("Bot")
    assert [(r["type"], r["params"]) for r in shown] == [("look", {"n": 1}), ("look", {"n": 2})]
    assert len(aegis.show_audit_log(limit=1)) == 1
    assert aegis.show_audit_log("Nobody") == []
