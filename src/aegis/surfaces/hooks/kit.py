"""Installs a policy pack for a coding agent: settings of the agent, a configuration of its own.

    PROJECT/.aegis/kit.yaml        the configuration the hook is given
    PROJECT/.aegis/kit-policy.yaml the pack, for the project to change
    PROJECT/.claude/settings.json  (or .gemini/settings.json) the hook itself

The agent's file keeps everything else it says. What it said before is kept beside it, and comes
back byte for byte where nothing else changed it since.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import CallerError
from ...policy import packs
from .client import socket_path
from .events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = ".aegis"
CONFIG, POLICY = "kit.yaml", "kit-policy.yaml"

SETTINGS = {"claude": Path(".claude/settings.json"), "gemini": Path(".gemini/settings.json")}
"""Where each agent reads the settings of a project."""

BACKUP = ".before-aegis"
"""What the name of the kept file ends with."""

SETTINGS_BYTES_MAX = 1_048_576
"""Largest settings file that is changed."""

HOOK_SECONDS = 60
"""How long an agent waits for the hook; the hook itself gives up well before."""

CHECK_SECONDS = 50
"""How long one sanity check may take; three of them fit into a minute on any machine that works."""

CHECKS = (
    ("a command that only looks", {"command": "git status"}, True),
    ("a command that deletes the root", {"command": "rm -rf /"}, False),
    ("a command that reads a private key", {"command": "cat ~/.ssh/id_rsa"}, False),
)
"""What every pack for agents decides alike: the command, and whether it may run."""

PACKS = ("coding-agent-permissive", "coding-agent-strict", "infra-review", "pr-writer", "readonly")
"""The packs that are for agents with a shell."""

_MARK = re.compile(rf" hook --agent \w+ --config .*/{re.escape(FOLDER)}/{re.escape(CONFIG)}'?$")
"""How the command of this kit's hook ends."""

_CONFIG = """\
# Written by `aegis kit install`; `aegis kit remove` takes the hook out again.
policy: {{ path: {policy} }}
home: {home}
# What waits for a person is refused at once; it may be asked again once approved.
approvals: {{ wait_seconds: 0 }}
"""


class Check(msgspec.Struct, frozen=True):
    """One sanity check: what was asked, whether it came out as it has to, and what was said."""

    name: str
    passed: bool
    said: str


def install(project: Path, agent: str, pack: str) -> list[Check]:
    """Write everything, then ask the hook three questions. Where one comes out wrong, what was
    written is taken back. Raises CallerError for what cannot be installed.
    """
    if agent not in SETTINGS:
        raise CallerError(f"unknown agent `{agent[:40]}`; use one of {', '.join(SETTINGS)}")
    if pack not in PACKS:
        raise CallerError(f"no pack `{pack[:80]}` for agents; there are {', '.join(PACKS)}")
    project = project.resolve()
    path = project / SETTINGS[agent]
    settings = _read(path)
    folder = project / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# keys and evidence do not belong into a repository\n*\n")
    _write(folder / POLICY, packs.text(pack))
    config = folder / CONFIG
    _write(
        config,
        _CONFIG.format(policy=json.dumps(str(folder / POLICY)), home=json.dumps(str(folder))),
    )
    backup = path.with_name(path.name + BACKUP)
    if path.exists() and not _ours(settings):
        backup.write_bytes(path.read_bytes())
    command = _command(agent, config)
    _without(settings)
    _with(settings, agent, command)
    path.parent.mkdir(exist_ok=True)
    _write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    checks = [_check(project, agent, command, *check) for check in CHECKS]
    if not all(check.passed for check in checks):
        remove(project, agent)
    return checks


def remove(project: Path, agent: str) -> bool:
    """Take the hook out of the agent's settings; whether there was one. The policy and the
    evidence stay.
    """
    if agent not in SETTINGS:
        raise CallerError(f"unknown agent `{agent[:40]}`; use one of {', '.join(SETTINGS)}")
    path = project.resolve() / SETTINGS[agent]
    settings = _read(path)
    if not _ours(settings):
        return False
    _without(settings)
    # without its socket, the process that answers hooks ends
    Path(socket_path(str(path.parent.parent / FOLDER / CONFIG))).unlink(missing_ok=True)
    backup = path.with_name(path.name + BACKUP)
    if backup.exists():
        before = backup.read_bytes()
        if msgspec.json.decode(before or b"{}") == settings:
            _write(path, before.decode())
        else:
            _write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
        backup.unlink()
    elif settings:
        _write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    else:
        path.unlink()
    return True


def _read(path: Path) -> dict[str, Any]:
    """The settings in a file; empty where there is none. Raises CallerError."""
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > SETTINGS_BYTES_MAX:
            raise CallerError(f"`{path}` is larger than {SETTINGS_BYTES_MAX} bytes")
        found = msgspec.json.decode(path.read_bytes() or b"{}")
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CallerError(f"`{path}` is not JSON, so nothing was changed: {error}") from None
    hooks = found.get("hooks", {}) if isinstance(found, dict) else None
    if not isinstance(hooks, dict) or not all(isinstance(v, list) for v in hooks.values()):
        raise CallerError(f"`{path}` does not look like an agent's settings; nothing was changed")
    return dict(found)


def _write(path: Path, text: str) -> None:
    """Replace a file in one step; a reader sees the old or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644 if not path.exists() else path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _command(agent: str, config: Path) -> str:
    beside = Path(sys.executable).with_name("aegis")
    program = str(beside) if beside.exists() else shutil.which("aegis")
    if program is None:
        raise CallerError("the command `aegis` is not on PATH; install the package first")
    return shlex.join([program, "hook", "--agent", agent, "--config", str(config)])


def _is_ours(hook: object) -> bool:
    command = hook.get("command") if isinstance(hook, dict) else None
    return isinstance(command, str) and _MARK.search(command) is not None


def _ours(settings: Mapping[str, Any]) -> bool:
    groups = [group for listed in settings.get("hooks", {}).values() for group in listed]
    return any(_is_ours(hook) for group in groups for hook in _hooks(group))


def _hooks(group: object) -> list[Any]:
    found = group.get("hooks") if isinstance(group, dict) else None
    return found if isinstance(found, list) else []


def _with(settings: dict[str, Any], agent: str, command: str) -> None:
    hooks = settings.setdefault("hooks", {})
    # Claude Code counts in seconds, Gemini CLI in milliseconds
    wait = HOOK_SECONDS if agent == "claude" else HOOK_SECONDS * 1_000
    matcher = "*" if agent == "claude" else ".*"
    for event in EVENTS[agent]:
        hook = {"type": "command", "command": command, "timeout": wait}
        hooks.setdefault(event, []).append({"matcher": matcher, "hooks": [hook]})


def _without(settings: dict[str, Any]) -> None:
    """Take this kit's hooks out, and what is empty then."""
    hooks = settings.get("hooks", {})
    for event in list(hooks):
        groups = []
        for group in hooks[event]:
            rest = [hook for hook in _hooks(group) if not _is_ours(hook)]
            if rest or not _hooks(group):
                groups.append({**group, "hooks": rest} if _hooks(group) else group)
        if groups:
            hooks[event] = groups
        else:
            del hooks[event]
    if hooks == {}:
        settings.pop("hooks", None)


def _check(
    project: Path, agent: str, command: str, name: str, given: dict[str, str], runs: bool
) -> Check:
    """Ask the installed hook, as the agent would."""
    tool = "Bash" if agent == "claude" else "run_shell_command"
    event = {
        "session_id": "aegis-kit",
        "cwd": str(project),
        "hook_event_name": next(iter(EVENTS[agent])),
        "tool_name": tool,
        "tool_input": given,
    }
    try:
        done = subprocess.run(  # noqa: S602 - the line the agent hands to a shell, as written
            command,
            shell=True,
            input=json.dumps(event),
            capture_output=True,
            text=True,
            cwd=project,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Check(name, False, f"no answer within {CHECK_SECONDS} seconds")
    refused = done.returncode == 0 and '"deny"' in done.stdout
    passed = refused if not runs else done.returncode == 0 and not done.stdout.strip()
    said = (done.stderr or done.stdout or "runs").strip()
    return Check(name, passed, said[:400])
