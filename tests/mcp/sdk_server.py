"""A server made with the official SDK: `python sdk_server.py stdio`, or `http PORT`, `sse PORT`."""

import sys
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel

app = MCPServer("sdk", instructions="Made with the SDK.")


class Choice(BaseModel):
    which: str


@app.tool()
def read_sum(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asked() -> Elicit[Choice]:
    """The question; how it is asked follows the revision."""
    return Elicit("Which one?", Choice)


@app.tool()
def choose(choice: Annotated[Choice, Resolve(asked)]) -> str:
    """Let the person choose."""
    return f"chosen {choice.which}"


@app.tool()
async def count(n: int, ctx: Context) -> str:
    """Count, and say how far."""
    for step in range(n):
        await ctx.report_progress(step, n)
    return str(n)


@app.tool()
def read_failing() -> str:
    """Always fail."""
    raise ToolError("no luck")


@app.resource("note://{name}")
def note(name: str) -> str:
    """A note."""
    return f"note {name}"


@app.prompt()
def greet(who: str) -> str:
    """Greet somebody."""
    return f"Say hello to {who}."


@app.completion()
async def complete(ref, argument, context):
    from mcp_types import Completion

    return Completion(values=[argument.value + "x"])


kind, *port = sys.argv[1:]
if kind == "stdio":
    app.run("stdio")
elif kind == "http":
    app.run("streamable-http", port=int(port[0]))
else:
    app.run("sse", port=int(port[0]))
