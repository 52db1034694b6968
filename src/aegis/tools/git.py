"""Git: what an action of its protocol would do. A command line is read by `git_commands.py`; here
are requests over the wire, as the gate for Git takes them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..model import Prepared
from .git_commands import note_arguments
from .git_names import decides_integration, note_path, repository_name, short_ref
from .reading import DELETE, READ, RESOURCES_MAX, UNKNOWN, WRITE, Notes, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

ZERO = "0" * 40
"""The object name that stands for no object (gitprotocol-pack): a ref is created or deleted."""

FETCH, PUSH = "git-upload-pack", "git-receive-pack"
"""The services of gitprotocol-http: fetches and clones, and pushes."""

NAMED_MAX = RESOURCES_MAX // 4
"""Most changed files that are named one by one; of more, the folders are."""


class RefUpdate(msgspec.Struct, frozen=True, gc=False):
    """One command of a push: the full name of the ref, the object it had and the one it gets
    (hex, `ZERO` for none), and whether the new one continues the old.
    """

    ref: str
    old: str
    new: str
    forward: bool = True


_UPDATES = Prepared(list[RefUpdate])
_PATHS = Prepared(list[tuple[str, str]])


def read(type: str, target: str, params: Mapping[str, Any]) -> Reading:
    """What a git action would do: `params` holds `args` (the words behind `git`); or, over the
    wire, `service` for what is only asked or fetched, or `updates` (objects with `ref`, `old`,
    `new`, `forward`) and `paths` (pairs of a status letter and a path) for a push. `unread` says
    why nobody could read a push to its end.
    """
    notes = Notes()
    updates, args = params.get("updates"), params.get("args")
    if isinstance(updates, (list, tuple)):
        try:
            parsed = _UPDATES.convert(list(updates))
            changed = _PATHS.convert(params.get("paths", ()))
        except msgspec.ValidationError:
            notes.doubts("its ref updates or paths have no readable shape")
            return notes.reading()
        notes.joins(read_updates(parsed, target))
        note_changes(changed, notes)
        if params.get("unread"):
            notes.doubts(str(params["unread"]))
    elif params.get("service") in (FETCH, PUSH):
        # without updates even a push only asks what is there
        notes.does(READ)
        notes.touches("repo", repository_name(target), READ)
    elif isinstance(args, (list, tuple)) and all(isinstance(word, str) for word in args):
        note_arguments([str(word) for word in args], notes)
    else:
        note_arguments(
            [type.removeprefix("git.").rpartition(" ")[2], *([target] if target else [])], notes
        )
    return notes.reading()


def read_updates(updates: Iterable[RefUpdate], repository: str = "") -> Reading:
    """What the ref updates of one push would do."""
    notes = Notes()
    notes.does(WRITE)
    if repository:
        notes.touches("repo", repository_name(repository), WRITE)
    for update in updates:
        name = short_ref(update.ref)
        if set(update.new) == {"0"}:
            notes.does(DELETE)
            notes.touches("ref", name, DELETE)
            notes.threatens("ref-delete")
        else:
            notes.touches("ref", name, WRITE)
            if not update.forward and set(update.old) != {"0"}:
                notes.does(DELETE)
                notes.threatens("force-push")
    return notes.reading()


def note_changes(changed: Sequence[tuple[str, str]], notes: Notes) -> None:
    """The files that the commits of a push change. Of many, files that decide about integration
    are named, and of the others the folders: `src/?` may be any file below `src`.
    """
    many = len(changed) > NAMED_MAX
    folders: dict[str, None] = {}
    pipelines = 0
    for status, path in changed:
        verb = DELETE if status == "D" else WRITE
        if not many:
            note_path(path, notes, verb)
        elif decides_integration(path):
            pipelines += 1
            note_path(path if pipelines <= NAMED_MAX else f"{UNKNOWN}/.github", notes, verb)
        else:
            folder, slash, _ = path.partition("/")
            folders[f"{folder}/{UNKNOWN}" if slash else path] = None
    named = folders if len(folders) <= NAMED_MAX else (UNKNOWN,)
    for name in named:
        notes.touches("file", name, WRITE)
        notes.touches("file", name, DELETE)
