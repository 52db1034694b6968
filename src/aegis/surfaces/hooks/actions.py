"""Tools of coding agents as actions: which text is a command, which a path, which an address."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Action, Actor, Resource
from ...tools.names import capability
from ...tools.read import file_reading
from ...tools.reading import READ, WRITE
from .events import NAMES

if TYPE_CHECKING:
    from .events import Event

SHELLS = {"Bash": "command", "run_shell_command": "command"}
"""Tools that run a command line, and the parameter that holds it."""

PATHS = ("file_path", "absolute_path", "path", "notebook_path", "dir_path")
"""Parameters that hold the path of a file or folder."""

FILES = {
    "Read": READ,
    "NotebookRead": READ,
    "LS": READ,
    "Glob": READ,
    "Grep": READ,
    "Write": WRITE,
    "Edit": WRITE,
    "MultiEdit": WRITE,
    "NotebookEdit": WRITE,
    "read_file": READ,
    "read_many_files": READ,
    "list_directory": READ,
    "glob": READ,
    "search_file_content": READ,
    "grep_search": READ,
    "write_file": WRITE,
    "replace": WRITE,
}
"""Tools on files, and what they do to them: the built-in tools of Claude Code and Gemini CLI."""

_URL = re.compile(r"https?://[^\s\"'<>)\]]+")


def action_of(event: Event, project: str = "") -> Action:
    """The action an agent's call is. `project` is the folder that the configuration governs; where
    the agent works inside of it says nothing about where it begins.
    """
    # the agent asks, whoever's account it runs under: that person may approve what it asks
    name = NAMES[event.agent]
    if project and event.cwd:
        event = msgspec.structs.replace(event, cwd=os.path.realpath(event.cwd))
    actor = Actor(name, name, f"{event.agent}/{event.session or 'session'}")
    common: dict[str, Any] = {"actor": actor, "parent": event.call}
    tool, given = event.tool, event.input
    if tool in SHELLS:
        folder = _folder(event)
        # what the agent itself calls its folder or its project counts for nothing
        params = {key: value for key, value in given.items() if key not in ("cwd", "project")}
        places = {"cwd": folder, "project": _root(project, folder)}
        params |= {key: place for key, place in places.items() if place}
        return Action(tool, params=params, protocol="shell", **common)
    if tool in FILES:
        return _file(event, FILES[tool], project, common)
    if tool in ("WebFetch", "web_fetch"):
        return _fetch(event, common)
    if tool.startswith("mcp__"):
        return Action(tool, params=given, protocol="mcp", **common)
    return Action(tool, params=given, protocol="tool", capability=capability(tool), **common)


def _folder(event: Event) -> str:
    """Where a command runs: Gemini CLI lets the agent name a folder below its own."""
    named = (event.input.get(key) for key in ("dir_path", "directory"))
    aim = next((value for value in named if isinstance(value, str) and value), "")
    return posixpath.join(event.cwd, aim)


_WORKTREE = re.compile(r"/\.claude/worktrees/[^/]+")


def _root(project: str, folder: str) -> str:
    """The folder of the project an agent works in; a worktree of its own is one by itself."""
    if not project or not folder.startswith(project + "/"):
        return project
    worktree = _WORKTREE.match(folder, len(project))
    return folder[: worktree.end()] if worktree is not None else project


def _file(event: Event, verb: str, project: str, common: dict[str, Any]) -> Action:
    """A tool on files; without a path it looks at the folder of the project."""
    given = event.input
    named = [value for key in PATHS if isinstance(value := given.get(key), str) and value]
    for key in ("paths", "include"):
        value = given.get(key)
        if isinstance(value, list):
            named += [item for item in value if isinstance(item, str)]
    root = _root(project, event.cwd) or event.cwd
    resources: list[Resource] = []
    labels: list[str] = []
    for path in named or ["."]:
        found = file_reading(path, verb, root, event.cwd if project else "")
        resources += found.resources
        labels += found.labels
    target = resources[0].name if resources else ""
    return Action(
        event.tool,
        target,
        given,
        protocol="tool",
        capability=verb,
        resources=tuple(resources),
        labels=tuple(dict.fromkeys(labels)),
        **common,
    )


def _fetch(event: Event, common: dict[str, Any]) -> Action:
    """A tool that fetches pages: Claude Code names one, Gemini CLI writes them into a prompt."""
    url, prompt = event.input.get("url"), event.input.get("prompt")
    found = _URL.findall(prompt) if isinstance(prompt, str) and not isinstance(url, str) else []
    address = url if isinstance(url, str) else found[0] if len(found) == 1 else ""
    params = {**event.input, "method": "GET", "url": address}
    return Action(event.tool, address, params, protocol="http", **common)
