"""Runs one governed command in a confined child: decided, recorded, performed, inspected.

The words are run as they are; one word with spaces is a line for Bash. Its output is the result
of the action, so guards see it before anybody does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from ...model import Action, Actor
from . import keeping, reaper
from .confine import Limits, environment, plan, starter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...kernel.runtime import Runtime
    from ...model import Outcome

TIMED_OUT = 124
"""Exit code of a command that took too long, as of timeout(1)."""

GRACE_SECONDS = 5.0
"""How long ending what a command has left may take before its group is ended by force."""

PIECE_BYTES = 65_536
"""How much output is read at once."""


class Job(msgspec.Struct, frozen=True):
    """One command: its words, the folder it runs in, what it may use, what it may not see, and the
    files of the configuration that governs it.
    """

    words: tuple[str, ...]
    folder: Path
    limits: Limits = Limits()
    variables: tuple[str, ...] = ()
    network: bool = False
    hidden: Path | None = None
    governing: tuple[str, ...] = ()


class _Tap:
    """Reads one output stream to its limit; says so when there is more."""

    def __init__(self, stream: IO[bytes], most: int, full: threading.Event) -> None:
        self.kept = bytearray()
        self.cut = False
        self._most = most
        self._full = full
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := os.read(stream.fileno(), PIECE_BYTES):
                room = self._most - len(self.kept)
                self.kept += piece[:room]
                if len(piece) > room:
                    self.cut = True
                    self._full.set()
                    return

    def text(self) -> str:
        """What came, once the child has ended."""
        self._thread.join(timeout=5)
        return bytes(self.kept).decode("utf-8", "replace")


def govern(runtime: Runtime, job: Job, actor: Actor) -> Outcome:
    """Take the command along the path; the outcome's result is what `run` returns."""
    job = msgspec.structs.replace(job, hidden=Path(runtime.settings.home).absolute())
    action = action_of(job.words, job.folder, actor)
    return runtime.govern(action, lambda decided: run(_decided(job, decided)))


def action_of(words: Sequence[str], folder: Path, actor: Actor) -> Action:
    """The action that running these words in a folder is."""
    params: dict[str, Any] = {"argv": list(words), "cwd": str(folder)}
    if len(words) == 1 and any(char.isspace() for char in words[0]):
        params = {"command": words[0], "cwd": str(folder)}
    return Action("exec", params=params, protocol="shell", actor=actor)


def _decided(job: Job, action: Action) -> Job:
    """The job with the words that were decided; guards may have masked some."""
    line = action.params.get("command")
    words = (line,) if isinstance(line, str) else tuple(action.params.get("argv", ()))
    return msgspec.structs.replace(job, words=words)


def run(job: Job) -> dict[str, Any]:
    """Run it. The result holds `exit`, `ended` (how), `stdout`, `stderr`, `confined`, `open`,
    `restored` (what governs it, and was put back).

    Raises OSError where it cannot be started.
    """
    kept = keeping.kept(job.folder, job.governing, job.hidden)
    with tempfile.TemporaryDirectory(prefix="aegis-exec-") as scratch, keeping.held(kept):
        made = plan(job.folder, Path(scratch), kept, network=job.network, hidden=job.hidden)
        before = keeping.before(kept, mounted=bool(made.prefix))
        try:
            done = _run(job, Path(scratch), made.prefix, made.rules)
        finally:
            restored = keeping.restored(before)
            if made.rules >= 0:
                os.close(made.rules)
    told = {"confined": list(made.confined), "open": list(made.open), "restored": restored}
    return done | told


def _run(job: Job, scratch: Path, prefix: Sequence[str], rules: int) -> dict[str, Any]:
    variables = environment(os.environ, job.variables, scratch)
    words = job.words
    if len(words) == 1 and any(char.isspace() for char in words[0]):
        words = (shutil.which("bash") or "/bin/sh", "-c", words[0])
    if shutil.which(words[0], path=variables.get("PATH")) is None and prefix:
        # the sandbox would start, and fail inside
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), words[0])
    begin = starter(job.limits, rules)
    watched = not prefix and reaper.available()
    child = subprocess.Popen(  # noqa: S603 - decided
        [*prefix, *words],
        cwd=job.folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=reaper.between(begin) if watched else begin,
    )
    full = threading.Event()
    taps = [_Tap(stream, job.limits.output_bytes, full) for stream in _streams(child)]
    ended = _awaited(child, job.limits.seconds, full, watched)
    out, err = (tap.text() for tap in taps)
    if any(tap.cut for tap in taps):
        ended = "output limit"
    code = TIMED_OUT if ended == "time limit" else child.returncode
    return {"exit": code, "ended": ended, "stdout": out, "stderr": err}


def _streams(child: subprocess.Popen[bytes]) -> list[IO[bytes]]:
    return [stream for stream in (child.stdout, child.stderr) if stream is not None]


def _awaited(
    child: subprocess.Popen[bytes], seconds: float, full: threading.Event, watched: bool
) -> str:
    """Wait for the end, at most so long or until an output is full; leaves nothing running. A
    watched child is the process that ends all others, where it is asked to.
    """

    def watch() -> None:
        child.wait()
        full.set()

    threading.Thread(target=watch, daemon=True).start()
    in_time = full.wait(seconds)
    ended = "exit" if child.poll() is not None else "output limit" if in_time else "time limit"
    if watched and ended != "exit":
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # also what it left behind in its session
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if ended == "exit" and child.returncode < 0:
        return signal.Signals(-child.returncode).name
    return ended
