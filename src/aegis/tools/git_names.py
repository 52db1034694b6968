"""Names that Git gives to things: refs, repositories, and paths of a working tree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .reading import DELETE, READ, UNKNOWN, WRITE

if TYPE_CHECKING:
    from .reading import Notes


def short_ref(ref: str) -> str:
    """A ref as people name it: without `refs/heads/`; tags keep `tags/`."""
    for prefix in ("refs/heads/", "heads/"):
        if ref.startswith(prefix):
            return ref[len(prefix) :]
    return ref.removeprefix("refs/")


_URL = re.compile(r"^(?:[a-z+]+://(?:[^@/]*@)?[^/:]+(?::\d+)?/|[\w.-]+@[\w.-]+:)(.+)$")


def repository_name(text: str) -> str:
    """`owner/name` of a repository's address; anything else stays as it is."""
    found = _URL.match(text)
    name = found[1] if found else text
    return name.strip("/").removesuffix(".git") or text


_MAGIC = re.compile(r"^:(?:/|\(top\))")


def pathspec(text: str) -> str:
    """The path that a pathspec names; what it leaves out, or magic of another kind, names any
    (gitglossary(7), pathspec).
    """
    if not text.startswith(":"):
        return text
    rest, count = _MAGIC.subn("", text)
    return rest if count and rest else UNKNOWN


def note_path(path: str, notes: Notes, verb: str) -> None:
    """A file or folder that is changed or deleted, with its danger."""
    from .shell import paths

    notes.touches("file", path, verb)
    danger = paths.danger_of_writing(path) if verb == WRITE else ""
    if verb == DELETE:
        danger = paths.danger_of_removing(path, recursive=False)
    if danger:
        notes.threatens(danger)
    note_ci(path, notes, verb)


def note_ci(path: str, notes: Notes, verb: str) -> None:
    """A file that decides about continuous integration is a resource of its own."""
    if decides_integration(path):
        notes.touches("ci", path, verb)
        if verb != READ:
            notes.threatens("ci-write")


def decides_integration(path: str) -> bool:
    """Whether a file decides what continuous integration runs, or who looks at a change."""
    from .shell.paths import CI

    return CI.search(path) is not None
