"""Policy packs: whole policies for common kinds of agents, as data, each with its cases."""

from __future__ import annotations

from importlib.resources import files

from ...model import CallerError

NAMES = (
    "coding-agent-permissive",
    "coding-agent-strict",
    "egress",
    "git-protect",
    "infra-review",
    "pr-writer",
    "readonly",
    "sql-explorer",
)
"""The packs that ship."""


def text(name: str) -> str:
    """The document of a pack, as YAML. Raises CallerError."""
    if name not in NAMES:
        raise CallerError(f"no pack `{name[:80]}`; there are {', '.join(NAMES)}")
    return files(__name__).joinpath(f"{name}.yaml").read_text("utf-8")


def note(name: str) -> str:
    """What a pack says about itself: the comment it begins with. Raises CallerError."""
    lines = text(name).splitlines()
    head = lines[: next(n for n, line in enumerate(lines) if not line.startswith("#"))]
    return "\n".join(line.removeprefix("#").strip() for line in head)


def cases(name: str) -> str:
    """The cases of a pack, as YAML. Raises CallerError."""
    text(name)
    return files(__name__).joinpath(f"{name}.cases.yaml").read_text("utf-8")
