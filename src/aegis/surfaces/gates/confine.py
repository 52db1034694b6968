"""What a governed child may reach: chosen from what the machine has, and said plainly.

`bwrap` gives the child file systems, processes and a network of its own; where it is not there or
not permitted, Landlock restricts files and TCP. Resource limits (setrlimit(2)) and a bare
environment hold everywhere. Whatever could not be confined is listed, never passed over.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import landlock, reaper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .keeping import Kept

ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TZ",
    "USER",
    "LOGNAME",
    "SHELL",
)
"""Variables a child inherits; tokens and keys live in others."""

PROBE_SECONDS = 5.0
"""How long `bwrap` may take to show that it works here."""

_HOMES = ("home", "root", "Users")
_HOME_DEPTH = 3
"""Parts of the path of a home directory; programs lie deeper."""


class Limits(msgspec.Struct, frozen=True):
    """What a child may use: seconds, bytes per output stream, bytes per file, processes of the
    user, open files, bytes of memory (0: no limit).
    """

    seconds: float = 60.0
    output_bytes: int = 1_048_576
    file_bytes: int = 268_435_456
    processes: int = 1_024
    files: int = 1_024
    memory_bytes: int = 0


class Plan(msgspec.Struct, frozen=True):
    """How a child is started: words before its own, the descriptor of Landlock rules or -1, and
    what is confined and what is not, as sentences.
    """

    prefix: tuple[str, ...]
    rules: int
    confined: tuple[str, ...]
    open: tuple[str, ...]


def plan(
    folder: Path, scratch: Path, kept: Kept, *, network: bool, hidden: Path | None = None
) -> Plan:
    """The strictest confinement this machine gives a child that works in `folder` and may write
    there and in `scratch`, apart from what is `kept`. `hidden` is a folder it sees nothing of;
    under Landlock both hold only for what lies elsewhere, and where it does not, that is said.
    """
    confined = [
        "environment: only " + ", ".join(ENVIRONMENT[:4]) + " and their like",
        "time, output, file size, processes and open files are limited",
    ]
    left: list[str] = []
    sandbox = _bwrap(folder, scratch, kept, network, hidden)
    if sandbox:
        confined.append(f"files: only {folder} and a folder of its own can be changed")
        confined.append("files: the configuration in it is not changed, and none is made")
        confined.append("processes: it sees and ends only its own")
        (left if network else confined).append(
            "network: open, as asked for" if network else "network: none"
        )
        confined.append("files: home directories are not read, apart from programs on PATH")
        left.append("files: all others are read; Unix sockets outside /run and /tmp are in reach")
        left += [
            f"files: below {place} the folder {folder} is open"
            for place in _covered()
            if folder.is_relative_to(place)
        ]
        return Plan(sandbox, -1, tuple(confined), tuple(left))
    known = landlock.version()
    left.append("files: the configuration in its folder can be changed, and is put back afterwards")
    left += [f"files: {place}, with the keys of Aegis, is open" for place in kept.homes]
    if reaper.available():
        confined.append("processes: what it leaves running is ended with it")
    else:
        left.append("processes: one that leaves its group goes on running")
    if not known:
        left += ["files: whatever the user may change can be changed", "network: open"]
        left.append("processes: it may end the user's others")
        return Plan((), -1, tuple(confined), tuple(left))
    away = [*_homes(), *([hidden.resolve()] if hidden is not None else [])]
    reads = _readable(folder, away)
    rules = landlock.ruleset(reads, [folder, scratch, Path("/dev")], network=network)
    confined.append(f"files: only {folder} and a folder of its own can be changed")
    confined.append("files: home directories are not read, apart from programs on PATH")
    left.append("files: all others are read, those in /tmp and /run too")
    left += [f"files: below {place} the folder {folder} is open" for place in _above(folder)]
    if network:
        left.append("network: open, as asked for")
    elif known >= 4:
        confined.append("network: no TCP")
        left.append("network: UDP and other sockets are open")
    else:
        left.append("network: open, this kernel cannot close it")
    if known >= 6:
        confined.append("processes: it ends only its own")
    else:
        left.append("processes: it may end the user's others")
    return Plan((), rules, tuple(confined), tuple(left))


def _readable(folder: Path, away: Sequence[Path]) -> list[Path]:
    """Everything but the folders `away`, and of those the folders of programs and this one."""
    return [*_around(Path("/"), away), *_programs(), folder]


def _around(place: Path, away: Sequence[Path]) -> list[Path]:
    """What lies in a folder without some folders below it, also by the name of a link."""
    if place.is_symlink():
        real = place.resolve()
        into = any(path.is_relative_to(real) or real.is_relative_to(path) for path in away)
        return [] if into else [place]
    if not any(path.is_relative_to(place) for path in away):
        return [place]
    if place in away or not place.is_dir():
        return []
    try:
        return [found for path in place.iterdir() for found in _around(path, away)]
    except OSError:
        return []  # what this user may not list, the child may not either


def _homes() -> list[Path]:
    """Home directories: the usual places, and wherever this user's is."""
    named = [*(Path("/", name) for name in _HOMES), Path.home()]
    with contextlib.suppress(KeyError):
        named.append(Path(pwd.getpwuid(os.getuid()).pw_dir))
    found = {path.resolve() for path in named if path.is_dir()} - {Path("/")}
    return sorted(found)


def _above(folder: Path) -> list[Path]:
    """The home directories that a folder lies in."""
    return [place for place in _homes() if folder.is_relative_to(place)]


def _programs() -> list[Path]:
    """Folders with programs on PATH that lie in home directories."""
    found = []
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(entry)
        # `~/bin` itself must not open the whole home directory
        deep = len(path.parts) > _HOME_DEPTH and path.is_absolute() and path.parts[1] in _HOMES
        if deep and path.is_dir():
            found.append(path.parent if len(path.parts) > _HOME_DEPTH + 1 else path)
    return found


def _covered() -> list[Path]:
    """Folders with what is not the child's: homes, and those where sockets of others lie."""
    shared = {path.resolve() for path in (Path("/run"), Path("/tmp")) if path.is_dir()}  # noqa: S108
    return sorted({*_homes(), *shared})


def _bwrap(
    folder: Path, scratch: Path, kept: Kept, network: bool, hidden: Path | None
) -> tuple[str, ...]:
    """The words that start a child inside bubblewrap; none where that does not work here."""
    program = shutil.which("bwrap")
    if program is None:
        return ()
    words = [program, "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc"]
    words += ["--unshare-uts", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    shared = [Path("/run"), Path("/tmp")]  # noqa: S108 - covered, not used
    for path in _covered():
        if path not in shared or not folder.is_relative_to(path):
            words += ["--tmpfs", str(path)]
    names = Path("/etc/resolv.conf").resolve()
    if network and names.is_relative_to("/run"):
        words += ["--ro-bind-try", str(names), str(names)]
    for path in _programs():
        words += ["--ro-bind", str(path), str(path)]
    words += ["--bind", str(folder), str(folder), "--bind", str(scratch), str(scratch)]
    away = [*kept.homes, *([hidden.resolve()] if hidden is not None else [])]
    for path in kept.way:
        # a folder that is mounted cannot be moved away with what lies in it
        words += ["--bind", str(path), str(path)]
    for path in away:
        words += ["--tmpfs", str(path)] if path.is_dir() else []
    for path in kept.files:
        if path.exists() and not any(place in path.parents for place in away):
            words += ["--ro-bind", str(path), str(path)]
    words += ["--chdir", str(folder), *([] if network else ["--unshare-net"]), "--"]
    try:
        done = subprocess.run(  # noqa: S603 - found on PATH, with words of our own
            [*words, "true"], capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(words) if done.returncode == 0 else ()


def environment(source: Mapping[str, str], names: Sequence[str], scratch: Path) -> dict[str, str]:
    """The variables of a child: the usual ones, those asked for, and temporary files of its own."""
    wanted = (*ENVIRONMENT, *names)
    return {name: source[name] for name in wanted if name in source} | {"TMPDIR": str(scratch)}


def starter(limits: Limits, rules: int) -> Callable[[], None]:
    """What the child does to itself before its program begins."""
    wanted = {
        resource.RLIMIT_CPU: int(limits.seconds) + 1,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_CORE: 0,
    }
    if limits.memory_bytes:
        wanted[resource.RLIMIT_AS] = limits.memory_bytes

    def begin() -> None:
        for what, most in wanted.items():
            hard = resource.getrlimit(what)[1]
            limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (limit, limit))
        if rules >= 0:
            landlock.restrict(rules)

    return begin
