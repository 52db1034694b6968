"""Which paths of a working tree a Git command changes, by its arguments."""

from __future__ import annotations

import posixpath
from itertools import pairwise
from typing import TYPE_CHECKING

from .reading import DELETE, UNKNOWN, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Written = tuple[str, str]
"""What happens to a path (empty: only the index changes), and the path."""


def written(verb: str, rest: list[str]) -> list[Written]:
    """The paths that `git VERB REST…` changes."""
    found = _WRITTEN.get(verb)
    changed = list(found(rest)) if found is not None else []
    if any(text.startswith("--pathspec-from-f") for text in rest):
        changed.append((WRITE, UNKNOWN))
    return changed + [(WRITE, name) for name in _outputs(verb, rest)]


def operands_of(rest: list[str], valued: tuple[str, ...] = ()) -> list[str]:
    found: list[str] = []
    skip = False
    for text in rest:
        if skip:
            skip = False
        elif text in valued:
            skip = True
        elif not text.startswith("-"):
            found.append(text)
    return found


def values_of(args: list[str], *names: str) -> list[str]:
    """What follows each of these options."""
    return [value for name, value in pairwise(args) if name in names]


def _outputs(verb: str, rest: list[str]) -> list[str]:
    """Files that the output goes to."""
    found = [text.partition("=")[2] for text in rest if text.startswith("--output")]
    found += values_of(rest, "--output", "--output-directory")
    if verb in ("archive", "format-patch"):
        found += values_of(rest, "-o")
        found += [text[2:] for text in rest if text.startswith("-o") and len(text) > 2]
    return [name for name in found if name]


def _indexed(rest: list[str]) -> Iterator[Written]:
    """Only the index changes: of interest where files decide about integration."""
    return (("", text) for text in operands_of(rest))


def _moved(rest: list[str]) -> Iterator[Written]:
    """The last operand takes the others, as its new name or as a folder."""
    *sources, aim = operands_of(rest) or [UNKNOWN]
    for source in sources:
        yield DELETE, source
        yield WRITE, posixpath.join(aim, posixpath.basename(source.rstrip("/")))
    yield WRITE, aim


def _removed(rest: list[str]) -> Iterator[Written]:
    gone = "" if "--cached" in rest else DELETE
    return ((gone, text) for text in operands_of(rest))


def _checked_out(rest: list[str]) -> Iterator[Written]:
    """Behind `--` stand paths; before it the first operand may be one where it is no branch."""
    before, after = _parted(rest)
    made = any(text in ("-b", "-B", "--orphan", "--detach", "-d") for text in before)
    named = operands_of(before, ("-b", "-B", "--orphan", "--conflict"))
    paths = [] if made else named[1:] if "--" in rest else named
    return ((WRITE, text) for text in (*paths, *after))


def _restored(rest: list[str]) -> Iterator[Written]:
    before, after = _parted(rest)
    short = "".join(text[1:] for text in before if text.startswith("-") and text[1:2] != "-")
    staged = "S" in short or "--staged" in before
    tree = "W" in short or "--worktree" in before
    aim = "" if staged and not tree else WRITE
    return (
        (aim, text) for text in (*operands_of(before, ("-s", "--source", "--conflict")), *after)
    )


def _cleaned(rest: list[str]) -> Iterator[Written]:
    return ((DELETE, text) for text in operands_of(rest, ("-e", "--exclude")))


def _stashed(rest: list[str]) -> Iterator[Written]:
    return ((WRITE, text) for text in _parted(rest)[1])


def _cloned(rest: list[str]) -> Iterator[Written]:
    """The folder that is made, where one is named."""
    valued = ("-b", "-B", "--branch", "--depth", "-o", "--origin", "-j", "--jobs", "--reference")
    named = operands_of(rest, (*valued, "-c", "--config", "--template", "--reason"))
    return ((WRITE, text) for text in named[1:2])


def _placed(rest: list[str]) -> Iterator[Written]:
    """A working tree is added, moved or removed: every folder that is named changes."""
    return ((WRITE, text) for text in operands_of(rest, ("-b", "-B", "--reason"))[1:])


def _parted(rest: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--`, and behind it."""
    at = rest.index("--") if "--" in rest else len(rest)
    return rest[:at], rest[at + 1 :]


_WRITTEN: dict[str, Callable[[list[str]], Iterator[Written]]] = {
    "add": _indexed,
    "stage": _indexed,
    "commit": _indexed,
    "mv": _moved,
    "rm": _removed,
    "checkout": _checked_out,
    "restore": _restored,
    "clean": _cleaned,
    "stash": _stashed,
    "clone": _cloned,
    "worktree": _placed,
}
