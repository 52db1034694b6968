"""`aegis exec`: run one command, governed and confined."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ..model import Actor, CallerError, joined
from . import home, output

SECONDS_MAX = 86_400.0
"""Longest run: a day."""


def execute(
    *words: str,
    timeout: float = 60.0,
    output_bytes: int = 1_048_576,
    network: bool = False,
    env: list[str] | None = None,
    agent: str = "",
    ticket: str = "",
    quiet: bool = False,
    config: Path | None = None,
) -> int:
    """Run a command in a confined child, if the policy allows what it would do.

    `aegis exec -- COMMAND ARGUMENTS…`. One argument with spaces is a line for Bash. The exit code
    is the command's; 124 where it took too long, 1 where it was refused.

    Parameters
    ----------
    words
        the command and its arguments
    timeout
        most seconds it may take
    output_bytes
        most bytes of each output
    network
        let it reach other hosts
    env
        a variable it inherits besides the usual ones; may be repeated
    agent
        the agent it runs for
    ticket
        what permits this very command, once; the variable AEGIS_TICKET if left out
    quiet
        do not say what was confined
    config
        the aegis.yaml to use
    """
    from ..kernel.tickets import presenting
    from ..surfaces.gates.command import Job, govern
    from ..surfaces.gates.confine import Limits

    if not words:
        raise CallerError("name a command: `aegis exec -- COMMAND`")
    if not 0 < timeout <= SECONDS_MAX or output_bytes <= 0:
        raise CallerError(f"`--timeout` is up to {SECONDS_MAX:.0f}, `--output-bytes` more than 0")
    limits = Limits(seconds=timeout, output_bytes=output_bytes)
    folder = Path.cwd().resolve()
    loaded = home.loaded(config)
    job = Job(tuple(words), folder, limits, tuple(env or ()), network, governing=loaded.files)
    token = ticket or os.environ.get("AEGIS_TICKET", "")
    with home.runtime(loaded) as runtime, presenting(token):
        outcome = govern(runtime, job, Actor(home.user(), agent))
    if outcome.error is not None and outcome.status == "failed":
        raise CallerError(f"`{words[0]}` could not be started: {outcome.error}")
    if not outcome.ok:
        decision = outcome.decision
        output.say(f"{outcome.status} by rule {decision.rule}: {joined(decision.reasons)}")
        if decision.advice:
            output.say(f"next: {decision.advice}")
        return 1
    return _told(outcome.result, quiet)


def _told(result: dict[str, Any], quiet: bool) -> int:
    """Pass on what a command left; its exit code, as a shell gives it."""
    sys.stdout.write(result["stdout"])
    sys.stderr.write(result["stderr"])
    if result["ended"] != "exit":
        print(f"aegis: ended by {result['ended']}", file=sys.stderr)
    for line in result["restored"]:
        print(f"aegis: {line}", file=sys.stderr)
    if not quiet:
        for said, mark in (("confined", "confined "), ("open", "NOT confined ")):
            for line in result[said]:
                print(f"aegis: {mark} {line}", file=sys.stderr)
    code: int = result["exit"]
    return code if code >= 0 else 128 - code
