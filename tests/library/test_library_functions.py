"""Monitored functions of every kind, and the events about them."""

import asyncio

import pytest

import aegis
from aegis import (
    ApprovalTimeout,
    BlockedError,
    CallerError,
    KillSwitchError,
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


def support():
    agent("SupportBot", owner="alice", allows=["lookup_*"], blocks=["delete_*"])


# kinds of functions


def test_names():
    @monitor("named")
    def first():
        """Doc."""

    @monitor()
    def second(): ...

    assert (first.__name__, first.__doc__) == ("first", "Doc.")
    agent("Bot", allows=["named", "second"])
    with agent_context("Bot"):
        first()
        second()


def test_what_cannot_be_governed_is_refused_with_what_to_do():
    class Tool:
        __name__ = "lookup"

    for made in (Tool(), dict):
        with pytest.raises(CallerError, match=r"beneath one that makes a tool .* `wrap_tools`"):
            monitor(made)


def test_methods_of_every_kind(ledger):
    agent("Bot", allows=["*"])

    class Bank:
        rate = 2

        @monitor
        def pay(self, amount):
            return self.rate * amount

        @monitor
        @staticmethod
        def fee(amount):
            return amount

        @monitor
        @classmethod
        def name(cls, upper):
            return cls.__name__.upper() if upper else cls.__name__

        @monitor
        async def later(self, amount):
            return amount

    with agent_context("Bot"):
        bank = Bank()
        assert (bank.pay(3), Bank.fee(1), bank.fee(1), Bank.name(True)) == (6, 1, 1, "BANK")
        assert asyncio.run(bank.later(4)) == 4
    assert [r["params"] for r in ledger(kind="decision")] == [
        {"amount": 3}, {"amount": 1}, {"amount": 1}, {"upper": True}, {"amount": 4},
    ]  # fmt: skip


def test_generators_run_whole_inside_the_performance(ledger):
    agent("Bot", allows=["rows", "pages"], blocks=["rest"])

    @monitor
    def rows(count):
        DONE.append("begun")
        yield from range(count)
        DONE.append("ended")

    @monitor
    async def pages(count):
        for i in range(count):
            yield i

    @monitor("rest")
    def rest():
        DONE.append("never")
        yield 1

    async def collected():
        return [item async for item in pages(3)]

    with agent_context("Bot"):
        items = rows(3)
        assert DONE == ["begun", "ended"]
        assert list(items) == [0, 1, 2]
        assert asyncio.run(collected()) == [0, 1, 2]
        with pytest.raises(BlockedError):
            rest()
    assert "never" not in DONE
    assert [r.get("result") for r in ledger(kind="outcome")] == [[0, 1, 2], [0, 1, 2]]


def test_what_a_tool_raises_is_raised_and_recorded(ledger):
    agent("Bot", allows=["broken"])

    @monitor("broken")
    def broken(kind):
        raise kind("no such row")

    with agent_context("Bot"):
        for kind in (KeyError, StopIteration, TimeoutError):
            with pytest.raises(kind, match="no such row"):
                broken(kind)
    assert [r["status"] for r in ledger(kind="outcome")] == ["failed"] * 3


def test_a_cancelled_call_is_recorded_as_unknown(ledger):
    agent("Bot", allows=["slow"])
    began = asyncio.Event()

    @monitor
    async def slow():
        began.set()
        await asyncio.sleep(30)

    async def main():
        with agent_context("Bot"):
            task = asyncio.create_task(slow())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [r["status"] for r in ledger(kind="outcome")] == ["unknown"]


@pytest.mark.parametrize("subject", [5, int, object()])
def test_what_cannot_be_governed_is_refused(subject):
    with pytest.raises(CallerError):
        monitor(subject)


def test_monitoring_twice_decides_once(ledger):
    agent("Bot", allows=["*"])
    twice = monitor(monitor("once")(lambda: 1))
    with agent_context("Bot"):
        assert twice() == 1
    assert len(ledger(kind="decision")) == 1


def test_decorated_functions_act_as_the_agent():
    support()

    @agent("SupportBot", allows=["lookup_*"])
    def plain(i):
        return lookup_balance(i)

    @agent("SupportBot", allows=["lookup_*"])
    async def later(i):
        return await lookup_later(i)

    @agent("SupportBot", allows=["lookup_*"])
    def steps():
        got = yield lookup_balance(1)
        assert got is None
        yield lookup_balance(2)
        return 3

    @agent("SupportBot", allows=["lookup_*"])
    async def asteps():
        for i in range(2):
            yield await lookup_later(i)

    async def collected():
        found = []
        async for item in asteps():
            found.append(item)
            with pytest.raises(ApprovalTimeout):  # between the steps nobody acts
                await lookup_later(9)
        return found

    assert plain(1) == "balance of 1"
    assert asyncio.run(later(2)) == "balance of 2"
    walk = steps()
    assert next(walk) == "balance of 1"
    with pytest.raises(ApprovalTimeout):
        lookup_balance(9)
    assert list(walk) == ["balance of 2"]
    assert asyncio.run(collected()) == ["balance of 0", "balance of 1"]


# events


def test_the_hook_sees_every_call(events):
    support()
    with agent_context("SupportBot"):
        lookup_balance(1)
        with pytest.raises(BlockedError):
            delete_records("x")
        with pytest.raises(ApprovalTimeout):
            monitor("export")(lambda: 1)()
        aegis.kill_agent("SupportBot")
        with pytest.raises(KillSwitchError):
            lookup_balance(2)
    assert [(e.action, e.status) for e in events] == [
        ("lookup_balance", "ALLOWED"),
        ("delete_records", "BLOCKED"),
        ("export", "REVIEW"),
        ("export", "EXPIRED"),
        ("lookup_balance", "KILLED"),
    ]
    assert {e.agent_name for e in events} == {"SupportBot"}
    assert all(e.rule and e.details and e.id for e in events)


def test_a_hook_that_fails_breaks_nothing(caplog):
    support()

    def hook(event):
        raise RuntimeError("hook is broken")

    async def async_hook(event): ...

    with agent_context("SupportBot"):
        for broken in (hook, async_hook, lambda: None):
            aegis.set_monitor_hook(broken)
            assert lookup_balance(1) == "balance of 1"
    assert caplog.text.count("hook") >= 3
