"""SupportBot, the agent that `aegis demo` plays with; the demo copies it into its folder.

    python agent.py look_up_order 1042

A small agent as anybody would write one: plain functions as tools, `monitor` on each, one `agent`
line that says what it may do. It prints what happens to it, one JSON object per line.
"""

from __future__ import annotations

import json
import sys
import time

import aegis

ROUNDS_MAX = 300
"""Most rounds of `patrol`: half a minute, in case nobody switches the agent off."""


@aegis.monitor
def look_up_order(order: str) -> str:
    """Where an order is."""
    return f"order {order} is on its way"


@aegis.monitor
def send_reply(ticket: str, text: str) -> str:
    """Answer a ticket; returns the text that went out."""
    return f"ticket {ticket} got: {text}"


@aegis.monitor
def delete_customer(customer: str) -> str:
    """Delete a customer for good."""
    return f"customer {customer} is deleted"


@aegis.agent(
    "SupportBot",
    owner="support",
    allows=["look_up_order", "send_reply"],
    reviews=["delete_customer"],
)
class SupportBot:
    """Looks up orders and answers tickets; deleting a customer needs a person."""


TOOLS = {tool.__name__: tool for tool in (look_up_order, send_reply, delete_customer)}


def patrol() -> str:
    """Look up one order after another until somebody says stop."""
    for _ in range(ROUNDS_MAX):
        say("returned", text=look_up_order("1042"))
        time.sleep(0.1)
    return "nobody said stop"


def say(event: str, **details: object) -> None:
    """One line for whoever watches."""
    print(json.dumps({"event": event, **details}), flush=True)


def main() -> int:
    """Use one tool. 0 where it was performed, 1 where it was refused."""
    aegis.set_monitor_hook(
        lambda seen: say("seen", status=seen.status, id=seen.id, rule=seen.rule, why=seen.details)
    )
    name, *arguments = sys.argv[1:]
    try:
        with aegis.agent_context("SupportBot"):
            say("returned", text=patrol() if name == "patrol" else TOOLS[name](*arguments))
    except aegis.BlockedError as error:
        say("refused", error=type(error).__name__, why=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
