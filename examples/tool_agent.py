"""An agent whose tools are governed by decorators: allowed, blocked, held for a person, killed.

    python examples/tool_agent.py

Needs no server, no network and no configuration file. Its evidence goes into a temporary folder.
"""

import tempfile
from collections.abc import Callable

import aegis


@aegis.monitor
def look_up_balance(customer: int) -> str:
    return f"customer {customer} has 120.50"


@aegis.monitor
def delete_records(table: str) -> str:
    return f"{table} is gone"


@aegis.monitor
def refund(customer: int, amount: float) -> str:
    return f"refunded {amount:.2f} to customer {customer}"


@aegis.agent(
    "SupportBot",
    owner="support",
    allows=["look_up_balance"],
    blocks=["delete_records"],
    reviews=["refund"],
)
class SupportBot:
    """What it may do stands above; what is not listed needs a person, too."""


def supervisor(decision: aegis.Decision) -> bool:
    """Stands in for a person. Without a handler, `aegis approve ID` answers in another terminal."""
    return decision.action.params["amount"] <= 50


def attempt(tool: Callable[..., str], *arguments: object) -> None:
    try:
        print(f"{tool.__name__:16} ran      {tool(*arguments)}")
    except aegis.BlockedError as error:
        print(f"{tool.__name__:16} refused  {type(error).__name__}: {error}")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        aegis.init(
            config={"home": home},
            approval_handler=aegis.CallbackApprovalHandler(supervisor),
        )
        with aegis.agent_context("SupportBot"):
            attempt(look_up_balance, 7)
            attempt(delete_records, "customers")
            attempt(refund, 7, 20.0)
            attempt(refund, 7, 5000.0)
            aegis.kill_agent("SupportBot")
            attempt(look_up_balance, 7)
            aegis.revive_agent("SupportBot")
            attempt(look_up_balance, 7)
        aegis.shutdown()


if __name__ == "__main__":
    main()
