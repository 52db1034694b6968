"""Tasks that people start and end while Aegis runs, beside those of the configuration.

A task of the configuration cannot be started or ended here. One that has ended stays known: its
actions are refused, not let go unrestricted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..model import CallerError
from .follow import manifest_of
from .ports import now
from .state import Task

if TYPE_CHECKING:
    from .runtime import Runtime
    from .session_settings import ManifestSettings

NAME_MAX = 200
"""Longest name of a task, in characters."""


def start(runtime: Runtime, name: str, manifest: ManifestSettings, by: str) -> Task:
    """Start a task, or start it anew under another manifest. Raises CallerError, ConfigError."""
    if not name.strip() or len(name) > NAME_MAX:
        raise CallerError(f"a task's name has 1 to {NAME_MAX} characters")
    _free(runtime, name)
    manifest_of(name, manifest)
    task = Task(name, manifest, by, now())
    runtime.state.put_task(task)
    runtime.admin("task.start", by=by, details={"task": name, "manifest": to_plain(manifest)})
    return task


def end(runtime: Runtime, name: str, by: str) -> Task:
    """End a task: its actions are refused from here on. Raises CallerError."""
    _free(runtime, name)
    task = next((task for task in runtime.state.tasks() if task.name == name), None)
    if task is None:
        raise CallerError(f"there is no task `{name[:80]}`; `aegis tasks list` shows them")
    task = msgspec.structs.replace(
        task, ended=now(), manifest=msgspec.structs.replace(task.manifest, mode="enforce")
    )
    runtime.state.put_task(task)
    runtime.admin("task.end", by=by, details={"task": name})
    return task


def to_plain(manifest: ManifestSettings) -> dict[str, Any]:
    """A manifest as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    return plain


def _free(runtime: Runtime, name: str) -> None:
    if name in runtime.settings.session.manifests:
        raise CallerError(f"the task `{name}` stands in the configuration; change it there")
