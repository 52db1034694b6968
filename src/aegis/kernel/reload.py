"""Watches a configuration and puts a changed one in force while the process runs.

A file that does not load changes nothing: the old configuration stays, and the complaint is
reported once. Keys that a running process cannot change (`restart` in the field table) keep
their value, and are named.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import msgspec.inspect as shape

from ..model import AegisError, ConfigError, Problem
from .typed import bare, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .config import Loaded
    from .settings import Settings

S = TypeVar("S", bound=msgspec.Struct)

POLL_SECONDS = 1.0
"""How often the files' modification times are looked at: one `stat` per file."""

Stamp = tuple[tuple[str, int, int, int], ...]


def kept(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """The new settings with the old value of every key that needs a restart, and the keys that
    differ.
    """
    return _kept(old, new, "")


def _kept(old: S, new: S, path: str) -> tuple[S, list[str]]:
    changes: dict[str, Any] = {}
    names: list[str] = []
    for field in type_of(type(old)).fields:
        before, after = getattr(old, field.name), getattr(new, field.name)
        extra = field.type.extra if isinstance(field.type, shape.Metadata) else None
        if isinstance(bare(field.type), shape.StructType):
            changes[field.name], below = _kept(before, after, f"{path}{field.name}.")
            names += below
        elif (extra or {}).get("restart") and before != after:
            changes[field.name] = before
            names.append(f"{path}{field.name}")
    return msgspec.structs.replace(new, **changes), names


class Watch:
    """Applies a configuration again when one of its files changed, or when poked.

    `load` reads it anew, `apply` puts it in force, `report(message, problem)` is told what
    happened (`problem` is True where the old configuration stays).
    """

    def __init__(
        self,
        loaded: Loaded,
        load: Callable[[], Loaded],
        apply: Callable[[Loaded], None],
        report: Callable[[str, bool], None],
        *,
        polls: bool = True,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.loaded = loaded
        self._load = load
        self._apply = apply
        self._report = report
        self._timeout = poll_seconds if polls else None
        self._stamp = stamp(loaded.files)
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="aegis-reload", daemon=True)

    def start(self) -> None:
        """Begin watching, on a thread of its own."""
        self._thread.start()

    def poke(self) -> None:
        """Load again now, changed or not; safe in a signal handler."""
        self._wake.set()

    def close(self) -> None:
        """Stop watching; a reload under way is finished first."""
        self._ended = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self, *, force: bool = False) -> bool:
        """Load and apply where a file changed (or always, with `force`); True where applied."""
        now = stamp(self.loaded.files)
        if not force and (now == self._stamp or len(now) < len(self._stamp)):
            return False  # unchanged, or just being replaced: the next look sees the new file
        self._stamp = now
        try:
            loaded = self._load()
            if self.loaded.source not in ("", loaded.source):
                # another file, or none, has a policy of its own: not for an accident to choose
                message = "is gone; bring it back, or restart to go on without it"
                raise ConfigError([Problem(message, source=self.loaded.source)])
            settings, fixed = kept(self.loaded.settings, loaded.settings)
            loaded = msgspec.structs.replace(loaded, settings=settings)
            self._apply(loaded)
        except (AegisError, OSError) as error:
            self._report(f"the configuration stays as it was: {error}", True)
            return False
        self.loaded = loaded
        self._stamp = stamp(loaded.files)
        rest = f"; {', '.join(fixed)} changed only after a restart" if fixed else ""
        version = loaded.policy.version if loaded.policy is not None else "the default"
        self._report(f"configuration loaded again, policy {version}{rest}", False)
        return True

    def _run(self) -> None:
        while True:
            poked = self._wake.wait(self._timeout)
            if self._ended:
                return
            self._wake.clear()
            self.check(force=poked)


def stamp(files: Iterable[str]) -> Stamp:
    """What identifies the content of files cheaply; files that are not there are left out."""
    found = []
    for file in files:
        try:
            status = Path(file).stat()
        except OSError:
            continue
        found.append((file, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
