"""GitHub: what its command line `gh ARGS…` would do, and the tools that agents reach it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .git_names import note_path, repository_name, short_ref
from .git_worktree import operands_of, values_of
from .github_rest import note_rest
from .names import capability, words
from .reading import APPROVE, DELETE, EXECUTE, READ, UNKNOWN, WRITE, Notes, Reading

_GH_DELETES = frozenset(("delete", "remove", "archive"))


def read(type: str, params: Mapping[str, Any]) -> Reading:
    """What a tool would do that names a repository as `owner` and `repo`, as GitHub's MCP server
    does: `branch`, `path` and `files` say what it changes there.
    """
    notes = Notes()
    tool = type.rpartition("__")[2]
    # files pushed are a commit; to which branch is among what it touches
    does = WRITE if "push" in words(tool) else capability(tool)
    merges = "merge" in words(tool) and does != READ
    notes.does(APPROVE if merges else does)
    verb = does if does in (READ, DELETE) else WRITE
    notes.touches("repo", f"{params.get('owner')}/{params.get('repo')}", verb)
    paths = _paths(params)
    for path in paths:
        note_path(path, notes, verb)
    branch = params.get("branch")
    if verb != READ and isinstance(branch, str) and branch:
        whole = verb == DELETE and not paths
        notes.touches("ref", short_ref(branch), DELETE if whole else WRITE)
        if whole:
            notes.threatens("ref-delete")
    elif merges or (verb != READ and paths):
        # the branch of a pull request, or the default one: the call does not say which
        notes.touches("ref", UNKNOWN, WRITE)
    if params.get("force") not in (None, False):
        notes.threatens("force-push")
    return notes.reading()


def _paths(params: Mapping[str, Any]) -> list[str]:
    """Files that a tool names: one by `path`, several by `files`, as texts or objects."""
    files = params.get("files")
    named = [params.get("path"), *(files if isinstance(files, (list, tuple)) else ())]
    found = [one.get("path") if isinstance(one, Mapping) else one for one in named]
    return [path for path in found if isinstance(path, str) and path]


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
        _note_api(args, verb, notes)
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


def _note_api(args: list[str], endpoint: str, notes: Notes) -> None:
    """`gh api ENDPOINT`: a request, whose fields are its body."""
    given = values_of(args, "-f", "-F", "--field", "--raw-field")
    sends = bool(given) or any(text.startswith("--input") for text in args)
    methods = values_of(args, "-X", "--method")
    pairs = dict(text.partition("=")[::2] for text in given)
    body = {key: value for key, value in pairs.items() if value != "false"}
    method = methods[0] if methods else "POST" if sends else "GET"
    if UNKNOWN in endpoint or "\0" in endpoint:
        notes.doubts("the endpoint is only known when it runs")
    address = urlsplit(endpoint)
    path = address.path if address.netloc else endpoint
    note_rest(method, "/" + path.removeprefix("/"), body, notes)
