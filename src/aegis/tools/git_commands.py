"""Git's command line: what `git ARGS…` would do to repositories, refs and the working tree.

A push names its refs where its refspecs do; a push without refspecs may update any, which is
noted as the unknown ref. Paths of a working tree that a command changes are files that are
written. Files that decide about continuous integration are resources of their own
(`ci:.github/workflows/x.yml`).
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from .git_names import note_ci, note_path, pathspec, repository_name, short_ref
from .git_worktree import operands_of, values_of, written
from .reading import DELETE, EXECUTE, READ, UNKNOWN, WRITE, Notes

if TYPE_CHECKING:
    from collections.abc import Callable

_VALUED = frozenset(
    (
        "-C",
        "-c",
        "--git-dir",
        "--work-tree",
        "--namespace",
        "--exec-path",
        "--config-env",
        "--super-prefix",
        "--attr-source",
    )
)
"""Options before the verb that take the next word (git(1))."""

_RUNS = re.compile(
    r"^(?:core\.(?:sshcommand|pager|editor|fsmonitor|hookspath|askpass|gitproxy|alternaterefscommand)"
    r"|alias\..*|diff\..*(?:command|textconv|external)|diff\.external|filter\..*|credential\..*helper|merge\..*driver"
    r"|gpg\..*program|gpg\.program|sequence\.editor|protocol\..*allow|uploadpack\.packobjectshook"
    r"|pager\..*|remote\..*(?:uploadpack|receivepack|vcs)|(?:diff|merge)tool\..*|interactive\.difffilter"
    r"|init\.templatedir|submodule\..*update|trailer\..*command|browser\..*|man\..*|web\.browser|include.*\.path)$"
)
"""Keys of git-config(1) whose value git runs, or that lead to more such keys."""

_READS = frozenset(
    """status log diff show blame grep ls-files ls-tree ls-remote rev-parse rev-list describe
    shortlog cat-file reflog name-rev merge-base for-each-ref show-ref var version help cherry
    whatchanged
    count-objects fsck diff-tree diff-index diff-files verify-commit verify-tag check-ignore
    check-attr range-diff annotate request-pull archive""".split()  # noqa: SIM905
)
_WRITES = frozenset(
    """add commit checkout switch restore mv stash init clone fetch pull merge rebase cherry-pick
    revert tag branch remote apply am notes worktree submodule sparse-checkout bundle gc repack
    format-patch update-index read-tree write-tree commit-tree hash-object symbolic-ref update-ref
    maintenance pack-refs lfs subtree citool gui replace rerere""".split()  # noqa: SIM905
)


def note_arguments(
    args: list[str],
    notes: Notes,
    path: Callable[[str], str] = str,
    run: Callable[[str], None] | None = None,
) -> None:
    """Notes what `git ARGS…` would do. `path` normalises paths, `run` judges a command line that
    git would hand to a shell.
    """
    at, folder = 0, ""
    while at < len(args) and args[at].startswith("-"):
        text = args[at]
        value = args[at + 1] if text in _VALUED and at + 1 < len(args) else text.partition("=")[2]
        if text == "-c" or text.startswith("--config-env"):
            _config(value, notes)
        elif text.startswith("--exec-path=") or (text.startswith("-c") and len(text) > 2):
            notes.threatens("git-config-code")
        if text == "-C" or text.startswith("--work-tree"):
            folder = posixpath.join(folder, value)
        at += 2 if text in _VALUED else 1
    if at >= len(args):
        notes.does(READ)
        return
    verb, rest = args[at], args[at + 1 :]
    if any(
        text.startswith(
            ("--upload-pack", "--receive-pack", "--exec=", "ext::", "--open-files-in-pager")
        )
        for text in rest
    ):
        notes.threatens("git-config-code")
        notes.does(EXECUTE)
    judge = _VERBS.get(verb)
    if judge is not None:
        judge(rest, notes)
    elif verb in _READS:
        notes.does(READ)
    elif verb in _WRITES:
        notes.does(WRITE)
    elif "\0" in verb:
        notes.doubts("the git command is only known when it runs")
    else:
        notes.does(EXECUTE)
    if any(text.startswith(("--output=", "--output")) for text in rest) or (
        verb == "archive" and any(text.startswith("-o") for text in rest)
    ):
        notes.does(WRITE)
    if verb in ("clone", "fetch", "pull", "ls-remote"):
        _remote(rest, notes, READ)
    for verb_of, text in written(verb, rest):
        name = path(posixpath.join(folder, pathspec(text)))
        (note_path if verb_of else note_ci)(name, notes, verb_of or WRITE)
    if run is not None:
        for command in _commands(verb, rest):
            run(command)


def _commands(verb: str, rest: list[str]) -> list[str]:
    """Command lines inside the arguments: rebase --exec, bisect run, submodule foreach."""
    if verb == "rebase":
        found = values_of(rest, "-x", "--exec")
        return found + [text.partition("=")[2] for text in rest if text.startswith("--exec=")]
    if verb == "bisect" and rest[:1] == ["run"]:
        return [" ".join(rest[1:])]
    if verb == "submodule" and "foreach" in rest:
        return [" ".join(t for t in rest[rest.index("foreach") + 1 :] if t != "--recursive")]
    return []


def _config(pair: str, notes: Notes) -> None:
    if _RUNS.match(pair.partition("=")[0].lower()):
        notes.threatens("git-config-code")
        notes.does(EXECUTE)


def _push(rest: list[str], notes: Notes) -> None:
    flags = [text for text in rest if text.startswith("-")]
    operands = operands_of(rest, ("-o", "--push-option", "--repo", "--receive-pack", "--exec"))
    short = "".join(text[1:] for text in flags if not text.startswith("--"))
    forced = "f" in short or any(
        text.startswith(("--force", "--mirror")) and text != "--force-if-includes" for text in flags
    )
    deleting = "d" in short or "--delete" in flags
    notes.does(WRITE)
    if any(text in ("--dry-run",) for text in flags) or "n" in short:
        notes.capabilities.discard(WRITE)
        notes.does(READ)
    _remote(operands[:1], notes, WRITE)
    refs = operands[1:]
    if not refs or "--all" in flags or "--mirror" in flags:
        notes.touches("ref", UNKNOWN, WRITE)
    for ref in refs:
        source, colon, aim = ref.lstrip("+").partition(":")
        name = short_ref((aim if colon else source).replace("\0", UNKNOWN))
        gone = deleting or (colon and not source)
        notes.touches("ref", UNKNOWN if name == "HEAD" else name, DELETE if gone else WRITE)
        forced = forced or ref.startswith("+")
        if gone:
            notes.does(DELETE)
            notes.threatens("ref-delete")
    if forced:
        notes.does(DELETE)
        notes.threatens("force-push")


def _remote(rest: list[str], notes: Notes, verb: str) -> None:
    for text in operands_of(rest, ("-b", "--branch", "--depth", "-o", "--origin", "-j", "--jobs"))[
        :1
    ]:
        name = repository_name(text)
        if name != text or "/" in text:
            notes.touches("repo", name, verb)
            host = re.match(r"(?:\w+://)?(?:[^@/]*@)?([\w.-]+\.[a-z]+)[:/]", text)
            if host:
                notes.touches("host", host[1].lower(), verb)
        else:
            notes.touches("remote", text.replace("\0", UNKNOWN), verb)


def _reset(rest: list[str], notes: Notes) -> None:
    notes.does(WRITE)
    if "--hard" in rest:
        notes.does(DELETE)
        notes.threatens("work-discard")


def _clean(rest: list[str], notes: Notes) -> None:
    short = "".join(text[1:] for text in rest if text.startswith("-") and not text.startswith("--"))
    if "n" in short or "--dry-run" in rest:
        notes.does(READ)
        return
    notes.does(DELETE)
    if "f" in short or "--force" in rest:
        notes.threatens("work-discard")


def _checkout(rest: list[str], notes: Notes) -> None:
    notes.does(WRITE)
    if "." in rest or "-f" in rest or "--force" in rest or "--discard-changes" in rest:
        notes.threatens("work-discard")


def _branch(rest: list[str], notes: Notes) -> None:
    deleting = any(text in ("-d", "-D", "--delete") for text in rest)
    operands = operands_of(rest)
    notes.does(DELETE if deleting else WRITE if operands else READ)
    for name in operands[:1] if not deleting else operands:
        notes.touches("ref", short_ref(name.replace("\0", UNKNOWN)), DELETE if deleting else WRITE)


def _stash(rest: list[str], notes: Notes) -> None:
    if rest[:1] in (["list"], ["show"]):
        notes.does(READ)
    elif rest[:1] in (["drop"], ["clear"]):
        notes.does(DELETE)
        notes.threatens("work-discard")
    else:
        notes.does(WRITE)


def _configures(rest: list[str], notes: Notes) -> None:
    operands = operands_of(rest, ("-f", "--file", "--blob", "--type"))
    reading = any(
        text in ("--get", "--list", "-l", "--get-all", "--get-regexp", "get", "list")
        for text in rest
    )
    notes.does(READ if reading or len(operands) < 2 else WRITE)
    if not reading and len(operands) > 1:
        _config(operands[1] if operands[0] == "set" else operands[0], notes)


def _rewrites(rest: list[str], notes: Notes) -> None:
    del rest
    notes.does(DELETE)
    notes.threatens("history-rewrite")


def _rebases(rest: list[str], notes: Notes) -> None:
    notes.does(WRITE)
    if "--root" in rest:
        notes.threatens("history-rewrite")


def _removes(rest: list[str], notes: Notes) -> None:
    notes.does(
        READ if "--dry-run" in rest or "-n" in rest else WRITE if "--cached" in rest else DELETE
    )


def _reflog(rest: list[str], notes: Notes) -> None:
    if rest[:1] in (["expire"], ["delete"]):
        _rewrites(rest, notes)
    else:
        notes.does(READ)


def _remotes(rest: list[str], notes: Notes) -> None:
    operands = operands_of(rest)
    notes.does(READ if not operands or operands[0] in ("show", "get-url") else WRITE)


def _updates_ref(rest: list[str], notes: Notes) -> None:
    deleting = "-d" in rest
    notes.does(DELETE if deleting else WRITE)
    for name in operands_of(rest)[:1]:
        notes.touches("ref", short_ref(name), DELETE if deleting else WRITE)
    notes.threatens("history-rewrite")


def _merges(rest: list[str], notes: Notes) -> None:
    del rest
    notes.does(WRITE)


_VERBS: dict[str, Callable[[list[str], Notes], None]] = {
    "push": _push,
    "send-pack": _push,
    "reset": _reset,
    "clean": _clean,
    "checkout": _checkout,
    "restore": _checkout,
    "branch": _branch,
    "tag": _branch,
    "stash": _stash,
    "config": _configures,
    "rebase": _rebases,
    "filter-branch": _rewrites,
    "filter-repo": _rewrites,
    "rm": _removes,
    "reflog": _reflog,
    "remote": _remotes,
    "update-ref": _updates_ref,
    "merge": _merges,
}
