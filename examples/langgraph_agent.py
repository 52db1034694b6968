"""A LangGraph agent whose tools are governed. A scripted model plays the language model.

    python examples/langgraph_agent.py

`wrap_tools` governs LangChain tools in place of decorating their functions. What is refused comes
back to the model as a tool message, so the agent can go on.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

import aegis

SCRIPT = (
    ("look_up_balance", {"customer": 7}),
    ("delete_records", {"table": "customers"}),
)


class ScriptedModel(BaseChatModel):
    """Calls one tool of the script per turn, then says that it is done."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **options: Any,
    ) -> ChatResult:
        turn = sum(message.type == "ai" for message in messages)
        if turn < len(SCRIPT):
            name, arguments = SCRIPT[turn]
            call = {"name": name, "args": arguments, "id": f"call-{turn}", "type": "tool_call"}
            reply = AIMessage("", tool_calls=[call])
        else:
            reply = AIMessage("I have done what I was allowed to.")
        return ChatResult(generations=[ChatGeneration(message=reply)])


@tool
def look_up_balance(customer: int) -> str:
    """The balance of a customer."""
    return f"customer {customer} has 120.50"


@tool
def delete_records(table: str) -> str:
    """Delete every record of a table."""
    return f"{table} is gone"


def build(tools: Sequence[BaseTool]) -> CompiledStateGraph:
    """The usual loop: model, tools, model, until it calls none."""
    model = ScriptedModel()
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(tools, handle_tool_errors=explain))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, {"tools": "tools", "__end__": "__end__"})
    graph.add_edge("tools", "model")
    return graph.compile()


def explain(error: aegis.BlockedError) -> str:
    """What the model is told about a refusal."""
    return f"refused: {error}"


@aegis.agent("TellerBot", allows=["look_up_balance"], blocks=["delete_records"])
class TellerBot:
    """May look at balances."""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        aegis.init(config={"home": home})
        agent = build(aegis.wrap_tools([look_up_balance, delete_records]))
        with aegis.agent_context("TellerBot"):
            ended = agent.invoke({"messages": [("user", "What does customer 7 have?")]})
        for message in ended["messages"]:
            for call in getattr(message, "tool_calls", ()):
                print(f"{'call':6} {call['name']} {call['args']}")
            if message.content:
                print(f"{message.type:6} {message.content}")
        aegis.shutdown()


if __name__ == "__main__":
    main()
