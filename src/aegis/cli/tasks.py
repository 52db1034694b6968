"""`aegis tasks start`, `aegis tasks list`, `aegis tasks end`: what a task may do."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Literal

import msgspec

from ..kernel import tasks
from ..kernel.session_settings import ManifestSettings
from ..model import CallerError
from . import home, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..kernel.config import Loaded
    from ..kernel.state import StateStore

Capability = Literal["read", "write", "delete", "deploy", "approve", "execute"]


def start(
    name: str,
    /,
    *,
    mode: Literal["shadow", "warn", "enforce"] = "enforce",
    tool: list[str] | None = None,
    resource: list[str] | None = None,
    protocol: list[str] | None = None,
    verb: list[Capability] | None = None,
    max_actions: int = 0,
    max_cost_usd: float = 0.0,
    expires: str = "",
    config: Path | None = None,
) -> int:
    """Start a task, or start it anew: actions that name it are held against what it may do.

    In force at once, in every process on this home; what is not given restricts nothing. The act
    is a record.

    Parameters
    ----------
    name
        the task, as actions name it
    mode
        what going beyond it does: enforce blocks, warn asks a person, shadow records it
    tool
        glob over the tools it needs; may be repeated
    resource
        glob over targets and resources; may be repeated
    protocol
        protocol, such as mcp or sql; may be repeated
    verb
        capability it needs; may be repeated
    max_actions
        most actions performed for it
    max_cost_usd
        most it may cost, in US dollars
    expires
        when it ends, such as 2026-12-31T18:00:00Z
    config
        the aegis.yaml to use
    """
    given = {
        "mode": mode,
        "tools": tool or (),
        "resources": resource or (),
        "protocols": protocol or (),
        "verbs": verb or (),
        "max_actions": max_actions,
        "max_cost_usd": max_cost_usd,
        "expires": expires,
    }
    try:
        manifest = msgspec.convert(given, ManifestSettings)
    except msgspec.ValidationError as error:
        raise CallerError(f"this is no manifest: {error}") from None
    with home.runtime(config) as runtime:
        tasks.start(runtime, name, manifest, home.user())
    output.say(f"the task {name} is started; `aegis tasks end` ends it")
    return 0


def end(name: str, /, *, config: Path | None = None) -> int:
    """End a task; its actions are refused from then on. The act is a record.

    Parameters
    ----------
    name
        the task
    config
        the aegis.yaml to use
    """
    with home.runtime(config) as runtime:
        tasks.end(runtime, name, home.user())
    output.say(f"the task {name} is ended")
    return 0


def list_tasks(*, config: Path | None = None, json: bool = False) -> int:
    """List the tasks of the configuration and those that people started.

    Parameters
    ----------
    config
        the aegis.yaml to use
    json
        print JSON: one object per task
    """
    loaded = home.loaded(config)
    with home.state(loaded) as state:
        rows = list(_rows(loaded, state))
    if json:
        output.json(rows)
        return 0
    output.table(
        ("task", "state", "mode", "may", "by", "since"),
        (
            [str(row[key]) for key in ("task", "state", "mode", "may", "by", "since")]
            for row in rows
        ),
        "there is no task",
    )
    return 0


def _rows(loaded: Loaded, state: StateStore) -> Iterator[dict[str, object]]:
    for name, manifest in loaded.settings.session.manifests.items():
        yield _row(name, "configured", manifest, "aegis.yaml", 0)
    for task in state.tasks():
        standing = "ended" if task.ended else "started"
        yield _row(task.name, standing, task.manifest, task.by, task.ended or task.started)


def _row(
    name: str, standing: str, manifest: ManifestSettings, by: str, since: int
) -> dict[str, object]:
    said = tasks.to_plain(manifest)
    bounds = {key: value for key, value in said.items() if value and key != "mode"}
    may = "; ".join(
        f"{key} {', '.join(value) if isinstance(value, (list, tuple)) else value}"
        for key, value in bounds.items()
    )
    return {
        "task": name,
        "state": standing,
        "mode": manifest.mode,
        "may": may or "anything",
        "by": by,
        "since": output.moment(since),
        "manifest": said,
    }
