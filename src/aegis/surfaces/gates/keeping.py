"""Keeps what governs a command from that command: configuration, policy, the folder of Aegis.

A command may change its working directory, and its configuration often lies there. Inside
bubblewrap those files are mounted read-only, and so are the names a configuration could be given:
an empty folder stands where there is none, and a folder is no configuration. What a mount cannot
hold (links), and everything where there is no bubblewrap, is compared when the command has ended
and put back; what had taken its place is moved aside, never lost.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...kernel.config import BYTES_MAX, FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OWN = ".aegis"
"""Where the folder of Aegis lies unless configured elsewhere; hooks are set up there."""

LINKS_MAX = 40
"""Most links on the way to one file, as for the kernel (path_resolution(7))."""

ASIDE_MAX = 1_000
"""Most files moved aside from one name; the first of more is overwritten."""

ASIDE = ".refused"

PLACE_TRIES = 100
"""How often a folder at a free name is made again because others just removed it."""


class Kept(msgspec.Struct, frozen=True):
    """What lies in the folder of a command and governs it.

    `files` and `homes` are free of links and can be mounted; `links` cannot. `way` are the folders
    between, outermost first: moving one would move what lies in it.
    """

    files: tuple[Path, ...] = ()
    homes: tuple[Path, ...] = ()
    links: tuple[Path, ...] = ()
    way: tuple[Path, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """What stands under a name: its type as of stat(2) (0: nothing), its mode, its content."""

    kind: int = 0
    mode: int = 0
    content: bytes = b""


def kept(folder: Path, files: Sequence[str], home: Path | None) -> Kept:
    """What governs a command in `folder`, of the files that were loaded, the folder of Aegis and
    the names a configuration is looked for.
    """
    links: list[Path] = []
    reals: list[Path] = []
    homes: list[Path] = []
    for path in (*(Path(file) for file in files), *(folder / name for name in FILES)):
        links += _followed(path, reals)
    for path in (folder / OWN, *([home] if home is not None else [])):
        links += _followed(path, homes)
    inside = {path for path in (*reals, *homes) if folder in path.parents}
    between = {each for path in inside for each in path.parents if folder in each.parents}
    return Kept(
        tuple(sorted(inside.intersection(reals))),
        tuple(sorted(inside.intersection(homes))),
        tuple(sorted({link for link in links if folder in link.parents})),
        tuple(sorted(between)),
    )


def _followed(path: Path, ends: list[Path]) -> list[Path]:
    """The links on the way to a path; where it ends is added to `ends`."""
    found: list[Path] = []
    todo = list(path.absolute().parts[1:])
    here = Path("/")
    while todo:
        name = todo.pop(0)
        step = here.parent if name == ".." else here / name
        if not step.is_symlink():
            here = step
            continue
        found.append(step)
        if len(found) > LINKS_MAX:
            return found
        aim = Path(os.readlink(step))
        todo[:0] = aim.parts[1:] if aim.is_absolute() else aim.parts
        here = Path("/") if aim.is_absolute() else here
    ends.append(here)
    return found


@contextmanager
def held(found: Kept) -> Iterator[None]:
    """An empty folder wherever one of the names is free, removed with the last who needs it."""
    places = []
    try:
        for path in found.files:
            place = _place(path)
            if place >= 0:
                places.append((path, place))
        yield
    finally:
        for path, place in places:
            _left(path, place)


def _place(path: Path) -> int:
    """A descriptor, locked with others, of the folder at a name that is no file; -1 for a file, and
    where none can be made: then the command, being the same user, makes no file there either.
    """
    for _ in range(PLACE_TRIES):
        with suppress(OSError):
            path.mkdir()
        try:
            place = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            break
        fcntl.flock(place, fcntl.LOCK_SH)
        # the last of others may have removed it before it was locked
        with suppress(OSError):
            if os.path.samestat(os.fstat(place), path.lstat()):
                return place
        os.close(place)
    return -1


def _left(path: Path, place: int) -> None:
    with suppress(OSError):  # others need it, or something lies in it
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.rmdir()
    os.close(place)


def before(found: Kept, *, mounted: bool) -> dict[Path, _Entry]:
    """What stands under the names that no mount holds, outermost first."""
    if not mounted:
        names = (*found.way, *found.links, *found.files)
    else:
        # a second name of a file is not mounted, and writes to the same
        names = (*found.links, *(path for path in found.files if _shared(path)))
    entries = {path: _entry(path) for path in names}
    for path in found.files:
        if path in entries and entries[path].kind == stat.S_IFDIR:
            entries[path] = _Entry()
    return {path: old for path, old in entries.items() if len(old.content) <= BYTES_MAX}


def _shared(path: Path) -> bool:
    with suppress(OSError):
        found = path.lstat()
        return stat.S_ISREG(found.st_mode) and found.st_nlink > 1
    return False


def _entry(path: Path) -> _Entry:
    """What stands under a name, of a file at most one byte more than a configuration may have."""
    try:
        found = path.lstat()
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFLNK:
            return _Entry(kind, content=os.fsencode(os.readlink(path)))
        if kind == stat.S_IFREG:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags), "rb") as handle:
                return _Entry(kind, stat.S_IMODE(found.st_mode), handle.read(BYTES_MAX + 1))
    except OSError:
        return _Entry()
    if kind == stat.S_IFDIR:
        return _Entry(kind, stat.S_IMODE(found.st_mode), f"{found.st_dev}:{found.st_ino}".encode())
    return _Entry(kind)


def restored(entries: dict[Path, _Entry]) -> list[str]:
    """Put back what has changed; sentences about what was, and about what could not be."""
    told = []
    for path, old in entries.items():
        new = _entry(path)
        if _same(old, new):
            continue
        try:
            told.append(_restored(path, old, new))
        except OSError as error:
            told.append(f"`{path}` was changed and is not put back: {error.strerror}")
    return told


def _same(old: _Entry, new: _Entry) -> bool:
    """Whether nothing changed that counts: a folder at the name of a file is no configuration."""
    nothing = (0, stat.S_IFDIR)
    return (old.kind, old.content) == (new.kind, new.content) or (
        old.kind == 0 and new.kind in nothing
    )


def _restored(path: Path, old: _Entry, new: _Entry) -> str:
    """Put one name back; what stands there is moved aside."""
    told = f"`{path}` was changed by the command and put back"
    if new.kind:
        aside = _aside(path)
        path.rename(aside)
        told += f"; what it had become is `{aside}`"
    if old.kind == stat.S_IFDIR:
        path.mkdir(old.mode)
    elif old.kind == stat.S_IFLNK:
        path.symlink_to(os.fsdecode(old.content))
    elif old.kind == stat.S_IFREG:
        # not over what may have come there meanwhile
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, old.mode), "wb") as handle:
            handle.write(old.content)
    return told


def _aside(path: Path) -> Path:
    """A free name beside."""
    for number in range(1, ASIDE_MAX):
        name = path.with_name(f"{path.name}{ASIDE}{number if number > 1 else ''}")
        if not os.path.lexists(name):
            return name
    return path.with_name(f"{path.name}{ASIDE}")
