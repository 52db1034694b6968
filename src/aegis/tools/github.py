"""GitHub's command line: what `gh ARGS…` would do."""

from __future__ import annotations

from .git_names import repository_name
from .git_worktree import operands_of, values_of
from .http import capability_of
from .reading import APPROVE, DELETE, EXECUTE, READ, WRITE, Notes

_GH_DELETES = frozenset(("delete", "remove", "archive"))


def note_github(args: list[str], notes: Notes) -> None:
    """Notes what GitHub's `gh ARGS…` would do."""
    words = operands_of(
        args,
        ("-R", "--repo", "-F", "-f", "--method", "-X", "--input", "-t", "--title", "-b", "--body"),
    )
    for repository in values_of(args, "-R", "--repo")[:1]:
        notes.touches("repo", repository_name(repository), WRITE)
    noun, verb, *_ = *words, "", ""
    if noun == "api":
        sends = any(text in ("-f", "-F", "--field", "--raw-field", "--input") for text in args)
        methods = values_of(args, "-X", "--method")
        notes.does(capability_of(methods[0] if methods else "POST" if sends else "GET"))
    elif (noun, verb) == ("pr", "merge") or (
        noun == "pr" and verb == "review" and any(t in ("-a", "--approve") for t in args)
    ):
        notes.does(APPROVE)
    elif verb in _GH_DELETES:
        notes.does(DELETE)
        if noun == "repo":
            notes.threatens("cloud-delete")
    elif verb in ("list", "view", "status", "checks", "diff", "download", "watch", "") or noun in (
        "search",
        "browse",
        "help",
    ):
        notes.does(READ)
    elif noun in ("secret", "ssh-key", "gpg-key", "variable") or verb in (
        "run",
        "enable",
        "deploy",
    ):
        notes.does(EXECUTE)
    else:
        notes.does(WRITE)
