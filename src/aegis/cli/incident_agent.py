"""Robin, the agent that `aegis demo incidents` plays with; the demo copies it into its folder.

    python agent.py fixture             # on its own
    python agent.py fixture --governed  # the same, through `aegis.Runtime`

In place of a model stands a script that does whatever a text it has read tells it to: the stories
then end the same way every time. A line `agent: TOOL {"argument": …}` is what it takes for an
order; `$last` stands for the last result, Base64. It prints one JSON object per line.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sqlite3
import sys
import urllib.request
from collections import deque
from pathlib import Path
from typing import Any

import aegis

STEPS_MAX = 20
"""Most steps of one task: two orders that name each other would go on for ever."""

SECONDS_MAX = 10
"""Longest a request may take; it stays on this machine."""

ORDER = re.compile(r"^[#\s]*agent: (\w+) (\{.*\})\s*$", re.MULTILINE)

DATABASE = "shop.db"

TASKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "fixture": [("read_file", {"path": "tests/fixtures/customers.yaml"})],
    "drift": [
        ("write_file", {"path": "docs/install.md", "text": "# Install\n"}),
        ("read_file", {"path": "docs/TODO.md"}),
    ],
    "ticket": [("run_sql", {"query": "SELECT body FROM tickets WHERE id = 7"})],
}
"""What each task begins with, as its user asked for it."""

MANIFESTS = {"drift": "docs"}
"""The manifest in `aegis.yaml` that a task works under."""


def read_file(path: str) -> str:
    """A file of the project."""
    return Path(path).read_text("utf-8")


def read_env() -> str:
    """The settings of the project, with its keys."""
    return Path(".env").read_text("utf-8")


def write_file(path: str, text: str) -> str:
    """Write a file of the project."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")
    return f"wrote {path}"


def http_post(url: str, body: str) -> str:
    """Send a text."""
    request = urllib.request.Request(url, body.encode(), method="POST")  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS_MAX) as answer:
        return f"{answer.status}"


def run_sql(query: str) -> str:
    """Run one statement on the shop's database; its rows as lines."""
    database = sqlite3.connect(DATABASE)
    try:
        with database:
            rows = database.execute(query).fetchall()
            return "\n".join(" | ".join(map(str, row)) for row in rows)
    finally:
        database.close()


TOOLS = {tool.__name__: tool for tool in (read_file, read_env, write_file, http_post, run_sql)}

PROTOCOLS = {"http_post": "http", "run_sql": "sql"}
"""Tools whose arguments are of a language that Aegis reads; the others are plain functions."""

VERBS = {"read_file": "read", "read_env": "read", "write_file": "write"}


class Tools(aegis.BaseExecutor):
    """Carries out actions with the tools above."""

    async def execute(self, action: aegis.Action) -> Any:
        """Perform one."""
        return TOOLS[action.type](**action.params)


def action_of(tool: str, arguments: dict[str, Any], task: str) -> aegis.Action:
    """The action that a call of a tool is."""
    target = arguments.get("path") or arguments.get("url") or ""
    return aegis.Action(
        tool,
        DATABASE if tool == "run_sql" else target,
        arguments,
        protocol=PROTOCOLS.get(tool, "python"),
        capability=VERBS.get(tool, ""),
        task=MANIFESTS.get(task, ""),
    )


def say(event: str, **details: object) -> None:
    """One line for whoever watches."""
    print(json.dumps({"event": event, **details}), flush=True)


async def call(runtime: aegis.Runtime | None, action: aegis.Action) -> str:
    """Use a tool, through Aegis where there is a runtime; what the model gets to read."""
    if runtime is None:
        try:
            text = str(await Tools().execute(action))
        except (OSError, sqlite3.Error) as error:
            say("failed", tool=action.type, params=action.params, text=str(error))
            return ""
        say("returned", tool=action.type, params=action.params, text=text)
        return text
    result = await runtime.run_one(action)
    details = {"tool": action.type, "params": action.params, "id": result.action.id}
    if result.ok:
        say("returned", text=result.data, **details)
        return str(result.data)
    rule = result.decision.rule if result.decision else ""
    say("refused", rule=rule, why=result.error, **details)
    return ""


async def work(task: str, runtime: aegis.Runtime | None) -> None:
    """Do what the user asked for, and then what the texts it brings up ask for."""
    steps = deque(TASKS[task])
    last = ""
    for _ in range(STEPS_MAX):
        if not steps:
            return
        tool, arguments = steps.popleft()
        sent = base64.b64encode(last.encode()).decode()
        given = {name: value.replace("$last", sent) for name, value in arguments.items()}
        last = await call(runtime, action_of(tool, given, task))
        orders = ORDER.findall(last)
        steps.extendleft((name, json.loads(text)) for name, text in reversed(orders))


async def main() -> int:
    """Work on the named task; 0 where it got to the end, whatever was refused on the way."""
    task = sys.argv[1]
    if "--governed" not in sys.argv[2:]:
        await work(task, None)
        return 0
    async with aegis.Runtime(executor=Tools(), session_id=task, agent_id="Robin") as runtime:
        await work(task, runtime)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
