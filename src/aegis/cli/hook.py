"""`aegis hook`: answer one event of a coding agent's hook."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - the command line reads the annotations

from ..surfaces.hooks import client


def hook(*, agent: str = "claude", config: Path | None = None) -> int:
    """Answer one event of a coding agent's hook: JSON on stdin, JSON or a reason out.

    Agents call this; `aegis kit install` writes it into their settings. Exit code 2 refuses.

    Parameters
    ----------
    agent
        which agent asks: claude (Claude Code) or gemini (Gemini CLI)
    config
        the aegis.yaml to use
    """
    source = str(config) if config is not None else ""
    return client.run(agent, source, sys.stdin.buffer, sys.stdout, sys.stderr)
