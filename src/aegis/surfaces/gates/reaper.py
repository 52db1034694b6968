"""A process between Aegis and a command, which ends whatever the command leaves behind.

A process that leaves its group and its session (setsid(2), a daemon) is nobody's to end. Under a
child subreaper (prctl(2), Linux 3.4) it becomes a child of the subreaper when its parents are gone,
so the subreaper ends its children until it has none. Where `bwrap` gives a command a namespace of
processes of its own, none of this is needed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DEATH_SIGNAL, _SUBREAPER = 1, 36
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER."""

_HEARD = (signal.SIGTERM, signal.SIGCHLD)

ROUNDS_MAX = 10_000
"""Most times the children that are left are ended: each may have had children of its own, and a
child may start them faster than one look at all processes takes."""

FAULT = 70
"""Exit code where the process between cannot do its work (EX_SOFTWARE of sysexits.h)."""


def available() -> bool:
    """Whether the system knows subreapers, and shows the children of a process."""
    return sys.platform.startswith("linux") and os.path.exists("/proc/self/stat")


def between(begin: Callable[[], None]) -> Callable[[], None]:
    """What a child does before its program begins: it becomes the process between, and a child of
    its own goes on with `begin` and the program. SIGTERM ends all of it.
    """

    def start() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _prctl(_SUBREAPER, 1)
        worker = os.fork()
        if worker == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
            begin()
            return
        code = FAULT
        try:
            code = _watch(worker)
        finally:
            os._exit(code)

    return start


def _watch(worker: int) -> int:
    """Wait for the worker to end, or for SIGTERM; end the rest; returns the exit code."""
    _prctl(_DEATH_SIGNAL, signal.SIGTERM)
    # its own copies of the outputs, and of the pipe that says whether the program could be started
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    status: int | None = None
    while status is None and signal.sigwait(_HEARD) != signal.SIGTERM:
        status = _reaped(worker)
    for _ in range(ROUNDS_MAX):
        children = _children()
        if not children:
            break
        for child in children:
            os.kill(child, signal.SIGKILL)
        ended, how = os.waitpid(-1, 0)
        status = how if ended == worker else status
    if status is None:
        return FAULT
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _reaped(worker: int) -> int | None:
    """Take up every child that has ended; how the worker did, if it was among them."""
    status = None
    while True:
        try:
            ended, how = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if not ended:
            return status
        if ended == worker:
            status = how


def _children() -> list[int]:
    """The processes whose parent this one is, ended ones too (proc(5), `stat`)."""
    own, found = os.getpid(), []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[1]) == own:
            found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
