"""Runs git itself, as a library that does not share our process: no hooks, no configuration of
the machine or of a repository's owner, no prompts, no lazy fetches, bounded in time and size.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING

import msgspec

from ....model import AegisError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STEP_SECONDS = 60.0
"""How long one step of judging a push may take; the largest packs are indexed within it."""

OUTPUT_MAX = 64 << 20
"""Most bytes one step may print: ids and paths of the largest push that is read."""

ERROR_SHOWN = 300
"""How much of git's own complaint is repeated, in characters."""

_SETTINGS = {
    "core.bigFileThreshold": "16m",
    "core.hooksPath": os.devnull,
    "core.commitGraph": "false",
    "core.fsmonitor": "false",
    "credential.helper": "",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.version": "2",
    "receive.autogc": "false",
    "transfer.credentialsInUrl": "die",
}
"""git-config(1) of every child; nothing else is read."""


LIMITED = '{ ulimit -c 0; ulimit -t $1; ulimit -f $2; } 2>/dev/null; shift 2; exec git "$@"'
"""Starts git under limits of CPU seconds and of 512-byte blocks per file (sh(1), ulimit). A shell
does it: a fork of this process, which could do the same, takes seven times as long.
"""


class Bounds(msgspec.Struct, frozen=True):
    """What a child may use: seconds, and bytes per file, its output included."""

    seconds: float = STEP_SECONDS
    file_bytes: int = OUTPUT_MAX


STEP = Bounds()
"""What a step of judging a push may use."""


class GitError(AegisError):
    """A step of git failed; the message is git's own last line."""


class Git:
    """git on one repository. With `quarantine`, new objects go there, and those of the repository
    are read beside them.
    """

    def __init__(self, repository: Path, quarantine: Path | None = None) -> None:
        self.repository = repository
        self.quarantine = quarantine

    def run(
        self,
        *words: str,
        given: bytes | IO[bytes] = b"",
        limits: Bounds = STEP,
        settings: Sequence[tuple[str, str]] = (),
    ) -> IO[bytes]:
        """Run one command to its end; what it printed, as a file at its beginning. Raises
        GitError where it fails, takes too long or prints too much.
        """
        printed = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
        with tempfile.TemporaryFile() as complained:
            source = given if not isinstance(given, bytes) else _file(given)
            try:
                child = subprocess.Popen(  # noqa: S603 - words of our own
                    ["/bin/sh", "-c", LIMITED, "sh", *_numbers(limits), *words],
                    cwd=self.repository,
                    env=self._environment(settings),
                    stdin=source,
                    stdout=printed,
                    stderr=complained,
                    start_new_session=True,
                )
            except OSError as error:
                raise GitError(f"git cannot be started: {error.strerror}") from None
            code = _awaited(child, limits.seconds)
            if code is None:
                raise GitError(f"git {words[0]} took more than {limits.seconds:g} seconds")
            if code:
                raise GitError(_complaint(words[0], complained))
        printed.seek(0)
        return printed

    def succeeds(self, *words: str) -> bool:
        """Whether a command ends with 0; False for 1. Raises GitError for everything else."""
        try:
            self.run(*words).close()
        except GitError as error:
            if str(error) == _complaint(words[0], None):
                return False
            raise
        return True

    def rows(self, *words: str, given: bytes = b"", end: bytes = b"\n") -> list[str]:
        """What a command prints, split. Raises GitError."""
        with self.run(*words, given=given) as printed:
            return [row.decode("utf-8", "replace") for row in printed.read().split(end)][:-1]

    def objects(self, ids: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
        """Name, type and content of objects (git-cat-file(1), `--batch`). Raises GitError."""
        with self.run("cat-file", "--batch", "--buffer", given=_listed(ids)) as printed:
            for id in ids:
                name, kind, size = _head(printed.readline())
                if name != id:
                    raise GitError("git cat-file answered with another object")
                yield id, kind, printed.read(size)
                printed.read(1)

    def sizes(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Type and size in bytes of those objects that are there. Raises GitError."""
        rows = self.rows("cat-file", "--batch-check", "--buffer", given=_listed(ids))
        found = (row.split(" ") for row in rows)
        return {row[0]: (row[1], int(row[2])) for row in found if len(row) == 3}

    def _environment(self, settings: Sequence[tuple[str, str]]) -> dict[str, str]:
        made = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.repository),
            "LC_ALL": "C",
            "GIT_DIR": str(self.repository),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "http:https",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        if self.quarantine is not None:
            made["GIT_OBJECT_DIRECTORY"] = str(self.quarantine)
            made["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.repository / "objects")
        pairs = (*_SETTINGS.items(), *settings)
        # a credential may be among them: variables are seen by this user only, words by everybody
        made["GIT_CONFIG_COUNT"] = str(len(pairs))
        for at, (key, value) in enumerate(pairs):
            made[f"GIT_CONFIG_KEY_{at}"], made[f"GIT_CONFIG_VALUE_{at}"] = key, value
        return made


def _numbers(limits: Bounds) -> tuple[str, str]:
    return str(int(limits.seconds) + 1), str(limits.file_bytes // 512 + 1)


def _awaited(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    """How a child ended; None where it took too long. Leaves nothing running."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _file(data: bytes) -> IO[bytes]:
    held = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
    held.write(data)
    held.seek(0)
    return held


def _listed(ids: Sequence[str]) -> bytes:
    return "".join(f"{id}\n" for id in ids).encode()


def _head(row: bytes) -> tuple[str, str, int]:
    parts = row.decode("ascii", "replace").split()
    if len(parts) != 3 or not parts[2].isdecimal():
        raise GitError("git cat-file lacks an object")
    return parts[0], parts[1], int(parts[2])


def _complaint(verb: str, complained: IO[bytes] | None) -> str:
    """The last line of what git said of its failure."""
    said = ""
    if complained is not None:
        complained.seek(0)
        rows = complained.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        said = rows[-1][:ERROR_SHOWN] if rows else ""
    return f"git {verb}: {said}" if said else f"git {verb} failed"
