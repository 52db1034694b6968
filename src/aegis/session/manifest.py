"""What a task was given to do, and what of an action goes beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Action

    Matching = Callable[[tuple[str, ...], str], bool]

SHADOW, WARN, ENFORCE = "shadow", "warn", "enforce"

MODES = (SHADOW, WARN, ENFORCE)
"""What drift does. `shadow`: it is recorded. `warn`: it is recorded and waits for a person.
`enforce`: it is blocked."""


class Manifest(msgspec.Struct, frozen=True):
    """What one task may do. Empty lists restrict nothing, 0 is no bound; `expires` is microseconds
    since the Unix epoch, `max_cost_micros` millionths of a US dollar. `verbs` are capabilities.
    """

    task: str
    mode: str = ENFORCE
    tools: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    max_actions: int = 0
    max_cost_micros: int = 0
    expires: int = 0


class Progress(msgspec.Struct, frozen=True, gc=False):
    """What a task has used up."""

    actions: int = 0
    cost_micros: int = 0


NOTHING = Progress()


class Drift(msgspec.Struct, frozen=True, gc=False):
    """One way in which an action goes beyond its task."""

    kind: str
    why: str


def drift(
    manifest: Manifest, action: Action, progress: Progress, now: int, matches: Matching
) -> tuple[Drift, ...]:
    """What of an action goes beyond the manifest. `matches` says whether any glob matches a name.

    Resources are the action's target and its resources; an action that names none is not held
    against `resources`.
    """
    found: list[Drift] = []
    if manifest.expires and now >= manifest.expires:
        found.append(Drift("manifest_expired", "the time of the task is over"))
    for kind, globs, names in (
        ("unexpected_tool", manifest.tools, (action.type,)),
        ("unexpected_protocol", manifest.protocols, (action.protocol,)),
        ("unexpected_resource", manifest.resources, _resources(action)),
        ("unexpected_verb", manifest.verbs, _verbs(action)),
    ):
        if globs:
            found += [
                Drift(kind, f"`{name[:80]}` is not part of the task")
                for name in names
                if not matches(globs, name)
            ]
    if manifest.max_actions and progress.actions >= manifest.max_actions:
        found.append(Drift("exceeded_max_actions", f"{manifest.max_actions} actions are done"))
    if manifest.max_cost_micros and progress.cost_micros >= manifest.max_cost_micros:
        found.append(Drift("exceeded_max_cost", "the budget of the task is used up"))
    return tuple(found)


def advanced(progress: Progress, cost_micros: int) -> Progress:
    """What is used up after one more action."""
    return Progress(progress.actions + 1, progress.cost_micros + cost_micros)


def _resources(action: Action) -> tuple[str, ...]:
    names = tuple(resource.name for resource in action.resources)
    return (action.target, *names) if action.target else names


def _verbs(action: Action) -> tuple[str, ...]:
    verbs = {resource.verb for resource in action.resources if resource.verb}
    return tuple(sorted({action.capability, *verbs} - {""}))
