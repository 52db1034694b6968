"""Mirrors: bare copies of upstream repositories, against whose history pushes are compared.

A mirror holds the branches and tags of the upstream below `refs/up/` and is brought up to date when
a push needs objects it lacks. The objects of a push lie in a quarantine of their own, and become
the mirror's once the upstream took them. Mirrors together stay below a size; the longest unused go
first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from hashlib import sha256
from typing import TYPE_CHECKING

from .child import Bounds, Git, GitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

REFS = "refs/up/"
"""Where the refs of an upstream lie, so that none of them means anything to git here."""

PACKS_MAX = 50
"""Most packs of a mirror before they become one: every push brings one (git's gc.autoPackLimit)."""

KINDS = ("heads", "tags")
"""Refs that make history. Others hold what anybody may have proposed, such as pull requests."""

LOW_SPEED = (("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "30"))
"""An upstream that sends less than 1 kB a second for half a minute has died."""


class Mirrors:
    """The mirrors of one gate, in one folder. `most` is their size together in bytes, `seconds`
    how long bringing one up to date may take.
    """

    def __init__(self, folder: Path, most: int, seconds: float) -> None:
        self._folder = folder
        self._most = most
        self._seconds = seconds
        self._lock = threading.Lock()

    def open(self, url: str, form: str) -> Mirror:
        """The mirror of a repository, made where there is none. Raises GitError, OSError."""
        path = self._folder / f"{sha256(url.encode()).hexdigest()[:32]}-{form}.git"
        with self._lock:
            if not (path / "HEAD").exists():
                made = path.with_suffix(".new")
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir(parents=True, mode=0o700)
                words = ("init", "--quiet", "--bare", "--template=", f"--object-format={form}")
                Git(made).run(*words).close()
                made.rename(path)
        os.utime(path)
        return Mirror(self, path, url)

    def limits(self) -> Bounds:
        """What bringing one up to date may use."""
        return Bounds(self._seconds, self._most)

    def tidy(self, keep: Path) -> None:
        """Remove the longest unused mirrors until the rest fits. Raises GitError where `keep`
        alone is too large; it is removed then, too.
        """
        with self._lock:
            found = sorted(self._folder.glob("*.git"), key=lambda path: path.stat().st_mtime)
            sizes = {path: _size(path) for path in found}
            total = sum(sizes.values())
            for path in [path for path in found if path != keep] + [keep]:
                if total <= self._most:
                    return
                with _alone(path) as alone:
                    if alone or path == keep:
                        shutil.rmtree(path, ignore_errors=True)
                        total -= sizes[path]
        raise GitError(f"the history is larger than {self._most} bytes")


class Mirror:
    """The copy of one repository."""

    def __init__(self, owner: Mirrors, path: Path, url: str) -> None:
        self._owner = owner
        self.path = path
        self._url = url

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """While this lasts, nobody removes the mirror."""
        with (self.path / "HEAD").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH)
            yield

    def refresh(self, headers: Mapping[str, str], ids: Sequence[str]) -> None:
        """Bring it up to date with its upstream, asked with these headers; `ids` are objects that
        are wanted by name where they are on no branch and no tag. Raises GitError.
        """
        said = [("http.extraHeader", f"{name}: {value}") for name, value in headers.items()]
        with (self.path / "fetch.lock").open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self._fetch(said, [f"+refs/{kind}/*:{REFS}{kind}/*" for kind in KINDS], "--prune")
            known = Git(self.path).sizes(ids) if ids else {}
            wanted = [id for id in ids if id not in known]
            if wanted:
                # what the upstream does not have, or does not hand out, stays missing
                with contextlib.suppress(GitError):
                    self._fetch(said, wanted)
        self._owner.tidy(self.path)

    def _fetch(self, said: list[tuple[str, str]], wanted: list[str], *options: str) -> None:
        words = ("fetch", *options, "--quiet", "--no-tags", "--no-write-fetch-head")
        Git(self.path).run(
            *words, self._url, *wanted, limits=self._owner.limits(), settings=(*LOW_SPEED, *said)
        ).close()

    def adopt(self, quarantine: Path, tips: Mapping[str, str]) -> None:
        """Keep the objects of a push that the upstream took, and its new branches and tags (full
        name → object), so that the next push needs no fetch. Raises GitError, OSError.
        """
        packs = self.path / "objects" / "pack"
        for file in sorted((quarantine / "pack").iterdir(), key=lambda one: one.suffix == ".idx"):
            # whole, and the index last: with it the pack comes into use
            copied = packs / f"tmp_{file.name}"
            shutil.copyfile(file, copied)
            copied.replace(packs / file.name)
        rows = [
            f"update {REFS}{name.removeprefix('refs/')} {id}\n"
            for name, id in tips.items()
            if name.split("/")[1] in KINDS
        ]
        Git(self.path).run("update-ref", "--stdin", given="".join(rows).encode()).close()
        if len(list(packs.glob("*.pack"))) > PACKS_MAX:
            with _alone(self.path) as alone:
                if alone:
                    words = ("repack", "-a", "-d", "--keep-unreachable", "--quiet")
                    Git(self.path).run(*words, limits=self._owner.limits()).close()


def _size(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody uses a mirror, which stays so while this lasts."""
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context((path / "HEAD").open("rb"))
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
