"""A LangGraph agent with governed tools: real graph, real tool node, a scripted model."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, Tool, tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

import aegis
from aegis import ApprovalTimeout, BlockedError, CallerError, agent, agent_context, wrap_tools

DONE = []


@pytest.fixture(autouse=True)
def done():
    DONE.clear()


@tool
def lookup_balance(customer_id: int) -> str:
    """The balance of a customer."""
    DONE.append(f"lookup {customer_id}")
    return f"balance {customer_id}: 100"


@tool
def delete_records(table: str) -> str:
    """Delete a table."""
    DONE.append(f"delete {table}")
    return "deleted"


@tool
async def transfer(amount: int, to: str) -> str:
    """Transfer money."""
    await asyncio.sleep(0)
    DONE.append(f"transfer {amount} to {to}")
    return f"sent {amount} to {to}"


def calls(name, number, **args):
    call = {"name": name, "args": args, "id": f"call-{number}", "type": "tool_call"}
    return AIMessage(content="", tool_calls=[call])


def graph_of(tools, *messages):
    """An agent that answers with these messages, one after the other."""
    model = FakeMessagesListChatModel(responses=[*messages, AIMessage(content="finished")])

    def think(state):
        return {"messages": [model.invoke(state["messages"])]}

    def more(state):
        return "tools" if state["messages"][-1].tool_calls else END

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", more, ["tools", END])
    graph.add_edge("tools", "think")
    return graph.compile()


QUESTION = {"messages": [HumanMessage("go")]}


def told(state):
    return [m.content for m in state["messages"] if isinstance(m, ToolMessage)]


def waiting():
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pending = aegis.get().home.runtime.desk.pending()
        if pending:
            return pending[0]
        time.sleep(0.02)
    raise AssertionError("nothing waits for a person")


def cli(home, *words):
    command = [Path(sys.executable).with_name("aegis"), *words]
    done = subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_allowed_and_blocked_calls_of_an_agent(ledger):
    agent("Support", allows=["lookup_balance"], blocks=["delete_records"])
    tools = wrap_tools([lookup_balance, delete_records], on_block="message")
    graph = graph_of(
        tools,
        calls("lookup_balance", 1, customer_id=42),
        calls("delete_records", 2, table="customers"),
    )
    with agent_context("Support"):
        state = graph.invoke(QUESTION)
    balance, refused = told(state)
    assert balance == "balance 42: 100"
    assert refused.startswith("Refused by Aegis: `delete_records` of agent `Support`")
    assert DONE == ["lookup 42"]
    assert state["messages"][-1].content == "finished"
    said = [(r["type"], r["params"], r["verdict"]) for r in ledger(kind="decision")]
    assert said == [
        ("lookup_balance", {"customer_id": 42}, "allow"),
        ("delete_records", {"table": "customers"}, "block"),
    ]


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_a_call_held_for_review_and_answered_from_another_process(home, patient, verb):
    agent("Support", allows=["lookup_balance"])
    tools = wrap_tools([lookup_balance, transfer], on_block="message")
    graph = graph_of(tools, calls("transfer", 1, amount=5, to="bob"))
    states = []

    async def main():
        async with agent_context("Support"):
            states.append(await graph.ainvoke(QUESTION))

    aegis.get()
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    request = waiting()
    assert request.summary == {"amount": 5, "to": "bob"}
    assert not DONE
    cli(home, verb, request.id, "--as", "alice")
    thread.join(30)
    (answer,) = told(states[0])
    if verb == "approve":
        assert answer == "sent 5 to bob"
        assert DONE == ["transfer 5 to bob"]
    else:
        assert "denied by `alice`" in answer
        assert not DONE


def test_an_agent_killed_in_the_middle_of_its_run(home):
    agent("Support", allows=["*"])

    @tool
    def report(text: str) -> str:
        """Report, after which somebody pulls the plug from another process."""
        cli(home, "kill", "Support")
        return "reported"

    tools = wrap_tools([report, lookup_balance], on_block="message")
    graph = graph_of(tools, calls("report", 1, text="x"), calls("lookup_balance", 2, customer_id=1))
    with agent_context("Support"):
        first, second = told(graph.invoke(QUESTION))
    assert first == "reported"
    assert "switched off" in second
    assert not DONE


def test_a_refusal_may_end_the_graph():
    agent("Support", blocks=["delete_records"])
    graph = graph_of(wrap_tools([delete_records]), calls("delete_records", 1, table="x"))
    with agent_context("Support"), pytest.raises(BlockedError):
        graph.invoke(QUESTION)
    assert not DONE


def test_monitored_functions_as_tools():
    @tool
    @aegis.monitor
    def search(query: str, limit: int = 3) -> str:
        """Search."""
        return f"{query} x{limit}"

    agent("Support", allows=["search"])
    graph = graph_of([search], calls("search", 1, query="cats"))
    with agent_context("Support"):
        assert told(graph.invoke(QUESTION)) == ["cats x3"]


class Loud(BaseTool):
    name: str = "loud"
    description: str = "Shouts."
    volume: int = 2

    def _run(self, text: str, run_manager=None) -> str:
        assert run_manager is not None
        DONE.append("sync")
        return text.upper() * self.volume


class Both(Loud):
    async def _arun(self, text: str, run_manager=None) -> str:
        DONE.append("async")
        return await asyncio.to_thread(self._run, text, run_manager)


TOOLS = [
    Loud(),
    Both(),
    Tool(name="loud", description="Shouts.", func=lambda text: text.upper() * 2),
    StructuredTool.from_function(lambda text: text.upper() * 2, name="loud", description="Shouts."),
]


@pytest.mark.parametrize("original", TOOLS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_every_kind_of_tool_is_decided_once(original, way, ledger):
    agent("Bot", allows=["loud"])
    (governed,) = wrap_tools((original,))
    assert (governed.name, governed.description) == ("loud", "Shouts.")
    assert governed.args == original.args
    with agent_context("Bot"):
        said = governed.invoke({"text": "hi"}) if way == "invoke" else asyncio.run(
            governed.ainvoke({"text": "hi"})
        )  # fmt: skip
    assert said == "HIHI"
    assert len(ledger(kind="decision")) == 1
    with pytest.raises(ApprovalTimeout):
        governed.invoke({"text": "hi"})
    assert original.invoke({"text": "hi"}) == "HIHI"
    assert wrap_tools([governed])[0] is governed


def test_plain_functions_and_mappings(ledger):
    agent("Bot", allows=["shout", "whisper"])

    def shout(text):
        return text.upper()

    async def whisper(text):
        return text.lower()

    first, second = wrap_tools((shout, whisper))
    by_name = wrap_tools({"shout": lambda text: f"{text}!"})
    with agent_context("Bot"):
        assert first("hi") == "HI"
        assert asyncio.run(second("HI")) == "hi"
        assert by_name["shout"]("hi") == "hi!"
    assert [r["type"] for r in ledger(kind="decision")] == ["shout", "whisper", "shout"]
    with pytest.raises(CallerError, match="is no tool"):
        wrap_tools(["text"])
    with pytest.raises(CallerError, match="a list or a mapping"):
        wrap_tools(shout)
    with pytest.raises(CallerError, match="`on_block` is one of"):
        wrap_tools([], on_block="explode")
