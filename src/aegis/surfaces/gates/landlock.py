"""Landlock, the kernel's own sandbox for unprivileged processes (Linux 5.13; landlock(7)).

A ruleset names the rights it handles; a process under it keeps a handled right only below the
paths that a rule gives it to. Three system calls, made through the C library; the child makes
only the last of them.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""Numbers of the system calls, the same on every architecture since 5.13."""

_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38
_O_PATH = 0o10000000

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL

_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version of the interface → every file right it knows (REFER since 2, TRUNCATE 3, IOCTL 5)."""

_TCP = 3
"""Binding and connecting TCP sockets, handled since version 4."""

_SCOPES = 3
"""Signals and abstract sockets to processes outside, since version 6."""


def version() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    found: int = _library().syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(found, 0)


def ruleset(reads: Iterable[Path], writes: Iterable[Path], *, network: bool) -> int:
    """A descriptor of the rules: files below `reads` are read and run, those below `writes` also
    changed; without `network` no TCP socket is bound or connected. Raises OSError.
    """
    known = version()
    rights = max(mask for since, mask in _RIGHTS.items() if since <= known)
    net = 0 if network or known < 4 else _TCP
    scopes = _SCOPES if known >= 6 else 0
    given = struct.pack("QQQ", rights, net, scopes)
    size = 8 if known < 4 else 16 if known < 6 else 24
    handle = _called(_CREATE, given, ctypes.c_size_t(size), 0)
    try:
        for path in reads:
            _allow(handle, path, _READING)
        for path in writes:
            _allow(handle, path, rights)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _allow(handle: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        given = struct.pack("=Qi", rights if path.is_dir() else rights & _ON_FILES, place)
        _called(_ADD, handle, _PATH_BENEATH, given, 0)
    finally:
        os.close(place)


def restrict(handle: int) -> None:
    """Put this process, and all it starts, under the rules; for good. Raises OSError."""
    library = _library()
    if library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs could not be set")
    _called(_RESTRICT, handle, 0)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _called(*arguments: object) -> int:
    found: int = _library().syscall(*arguments)
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return found
