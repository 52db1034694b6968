"""`aegis kit`: a policy pack for a coding agent, installed, listed and removed."""

from __future__ import annotations

from pathlib import Path

from ..model import CallerError
from ..policy import packs
from ..surfaces.hooks import kit
from . import output


def install(*, agent: str = "claude", pack: str = "pr-writer", project: Path = Path()) -> int:
    """Govern a coding agent's built-in tools in a project, and check that it works.

    Writes the agent's hook settings (keeping what they said), a configuration and the pack's
    policy below `.aegis`, then asks the installed hook three questions. Offline.

    Parameters
    ----------
    agent
        claude (Claude Code) or gemini (Gemini CLI)
    pack
        the policy; `aegis kit packs` lists them
    project
        the folder of the project
    """
    if not project.is_dir():
        raise CallerError(f"`{project}` is no folder")
    checks = kit.install(project, agent, pack)
    for check in checks:
        mark = "ok  " if check.passed else "FAIL"
        output.say(f"{mark} {check.name}: {check.said}")
    if not all(check.passed for check in checks):
        output.say("nothing is installed: the hook did not decide as it has to")
        return 1
    output.say(f"{agent} is governed by the pack {pack} in {project.resolve()}")
    output.say(f"next: read {kit.FOLDER}/{kit.POLICY}; `aegis kit remove` takes the hook out again")
    return 0


def remove(*, agent: str = "claude", project: Path = Path()) -> int:
    """Take the hook out of a coding agent's settings; policy and evidence stay.

    Parameters
    ----------
    agent
        claude (Claude Code) or gemini (Gemini CLI)
    project
        the folder of the project
    """
    if kit.remove(project, agent):
        output.say(f"{agent} is not governed any more in {project.resolve()}")
        return 0
    output.say(f"{agent} was not governed in {project.resolve()}")
    return 1


def list_packs(name: str = "", /) -> int:
    """List the policy packs, or print one.

    Parameters
    ----------
    name
        the pack to print as YAML
    """
    if name:
        for line in packs.text(name).splitlines():
            output.say(line)
        return 0
    for pack in packs.NAMES:
        output.say(pack)
        for line in packs.note(pack).splitlines():
            output.say(f"  {line}".rstrip())
    return 0
