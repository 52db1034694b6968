"""What a push would do, found out from its objects: never from what the client says of them.

The pack is indexed into a quarantine beside the mirror of its repository. There the new commits
are compared with the old ones: whether history goes on or is replaced, which paths change, and
what new files and messages say. Whatever cannot be established counts as the worse.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import msgspec

from ....model import Text
from .child import OUTPUT_MAX, STEP_SECONDS, Bounds, Git, GitError
from .mirror import REFS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .mirror import Mirror
    from .pkt import Command, PushRequest

INDEX_SECONDS = 600.0
"""How long checking a pack may take: a gigabyte of small objects takes minutes on one core."""

COMMITS_MAX = 5_000
"""Most new commits of one push that are looked at one by one."""

PATHS_MAX = 20_000
"""Most changed paths of one push that are named."""

OBJECTS_MAX = 100_000
"""Most objects of one push whose kinds are looked at."""

FILE_MAX = 4 << 20
"""Largest new file that is read whole, in bytes; of a larger one only whether it is text."""

LARGE_MAX = 64
"""Most larger files that are looked at, each by a process of its own."""

SNIFF_BYTES = 8_000
"""How much of a file tells whether it is text, as git itself does (buffer_is_binary)."""

MISSING_MAX = 16
"""Most missing objects that are asked for by name; a commit brings all it builds on."""

_NAMED = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b")

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Missing(GitError):
    """Objects the mirror does not have: another look at the upstream may bring them."""

    @property
    def ids(self) -> list[str]:
        """The objects that are named."""
        return _NAMED.findall(str(self))[:MISSING_MAX]


class BadPack(GitError):
    """The pack of a push is none, or its objects are malformed."""


class Facts(msgspec.Struct, frozen=True):
    """What is known of a push: its updates and changed paths as the reader of git actions takes
    them, new texts, how many new commits, how many new files are not text, and why it could not
    be read to its end (empty where it could).
    """

    updates: tuple[dict[str, str | bool], ...]
    paths: tuple[tuple[str, str], ...] = ()
    texts: tuple[Text, ...] = ()
    commits: int = 0
    binaries: int = 0
    unread: str = ""


def unestablished(push: PushRequest, reason: str) -> Facts:
    """The facts of a push of which nothing but its request is known: nothing continues."""
    made = []
    for command in push.commands:
        change = "delete" if none(command.new) else "create" if none(command.old) else "force"
        said: dict[str, str | bool] = {"ref": command.ref, "old": command.old, "new": command.new}
        made.append({**said, "change": change, "forward": change != "force"})
    return Facts(tuple(made), unread=reason)


def judge(push: PushRequest, path: Path, mirror: Mirror, characters: int) -> Facts:
    """The facts of a push whose whole request is in a file; its objects are put beside that. At
    most so many characters of text are read. Raises Missing, BadPack, GitError, OSError.
    """
    quarantine = path.with_name("objects")
    shutil.rmtree(quarantine, ignore_errors=True)
    (quarantine / "pack").mkdir(parents=True)
    with mirror.used():
        return _Judge(push, mirror, quarantine, characters).judge(path)


class _Judge:
    """One push, while it is looked at."""

    def __init__(
        self, push: PushRequest, mirror: Mirror, quarantine: Path, characters: int
    ) -> None:
        self._push = push
        self._known = Git(mirror.path)
        self._git = Git(mirror.path, quarantine)
        self._quarantine = quarantine
        self._left = characters
        self._unread = ""
        self._binaries = 0

    def judge(self, path: Path) -> Facts:
        """Everything about it."""
        size = path.stat().st_size
        commands = self._push.commands
        self._need([command.old for command in commands])
        if any(not none(command.new) for command in commands):
            self._index(path, size)
        elif size > self._push.end:
            raise BadPack("a push that only deletes has no pack")
        updates = tuple(self._update(command) for command in commands)
        fresh = self._fresh(commands)
        named: dict[str, str] = {}
        paths = self._paths(commands, fresh, named)
        texts = tuple(self._texts(named, paths, fresh))
        return Facts(updates, paths, texts, len(fresh), self._binaries, self._unread)

    def _need(self, ids: Sequence[str]) -> None:
        """That the mirror has objects. Raises Missing, GitError."""
        wanted = sorted({id for id in ids if not none(id)})
        known = self._known.sizes(wanted) if wanted else {}
        lacking = [id for id in wanted if id not in known]
        if lacking:
            raise Missing(f"objects of the upstream are not here: {' '.join(lacking)}")

    def _index(self, path: Path, size: int) -> None:
        """Take the pack into the quarantine; git checks every object on the way."""
        if size == self._push.end:
            return  # everything is there already: a ref is made of, or moved to, known objects
        limits = Bounds(INDEX_SECONDS, size * _GROWTH + _GROWTH_LEAST)
        words = ("index-pack", "--stdin", "--fix-thin", "--strict", f"--max-input-size={size}")
        try:
            with path.open("rb", buffering=0) as pack:
                pack.seek(self._push.end)
                self._git.run(*words, given=pack, limits=limits).close()
        except GitError as error:
            kind = Missing if _LACKING.search(str(error)) else BadPack
            raise kind(str(error)) from None

    def _update(self, command: Command) -> dict[str, str | bool]:
        """One update with what it is; a tag that moves, moves by force."""
        old, new = command.old, command.new
        forward = True
        if none(new):
            change = "delete"
        elif none(old):
            change = "create"
        else:
            forward = not command.ref.startswith("refs/tags/") and self._continues(old, new)
            change = "update" if forward else "force"
        made: dict[str, str | bool] = {"ref": command.ref, "old": old, "new": new}
        return {**made, "change": change, "forward": forward}

    def _continues(self, old: str, new: str) -> bool:
        """Whether one commit is among the ancestors of another, as far as all of them are here."""
        try:
            return self._git.succeeds("merge-base", "--is-ancestor", old, new)
        except GitError:
            return False

    def _fresh(self, commands: Sequence[Command]) -> list[str]:
        """The commits that no branch and no tag of the upstream has, as far as the mirror knows.
        Old ends are what the client says: they may be proposals, and make nothing known.
        """
        news = [command.new for command in commands if not none(command.new)]
        found = self._reached(news, f"--max-count={COMMITS_MAX + 1}") if news else []
        if len(found) > COMMITS_MAX:
            self._doubt(f"it has more than {COMMITS_MAX} new commits")
        return found[:COMMITS_MAX]

    def _reached(self, ids: Sequence[str], option: str) -> list[str]:
        """What these lead to and no branch and no tag does. Raises Missing."""
        given = "".join(f"{id}\n" for id in ids).encode()
        words = ("rev-list", "--stdin", option, "--not", f"--glob={REFS}*")
        try:
            return self._git.rows(*words, given=given)
        except GitError as error:
            raise Missing(str(error)) from None

    def _paths(
        self, commands: Sequence[Command], fresh: Sequence[str], named: dict[str, str]
    ) -> tuple[tuple[str, str], ...]:
        """What changes: in each new commit, and from the old end of a ref to its new one. Notes in
        `named` under which path an object lies.
        """
        found: dict[tuple[str, str], None] = {}
        words = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev")
        wanted = list(fresh)
        apart: list[Command] = []
        for command in commands:
            if none(command.old) or none(command.new):
                continue
            if command.ref.startswith("refs/heads/"):
                # a commit and another is read as a commit and its parent (git-diff-tree(1))
                wanted.append(f"{command.new} {command.old}")
            else:
                apart.append(command)
        given = "".join(f"{row}\n" for row in wanted).encode()
        rows: list[str] = []
        try:
            if wanted:
                options = ("-c", "--root", "--stdin", "--no-commit-id")
                rows = self._git.rows(*words, *options, given=given, end=b"\0")
            for command in apart:
                rows += self._git.rows(*words, command.old, command.new, end=b"\0")
        except GitError as error:
            raise Missing(str(error)) from None
        for head, path in zip(rows[::2], rows[1::2], strict=True):
            *_, id, status = head.split(" ")
            gone = none(id)
            found[("D" if gone else status[:1], path)] = None
            if not gone:
                named.setdefault(id, path)
        if len(found) > PATHS_MAX:
            self._doubt(f"it changes more than {PATHS_MAX} paths")
        return tuple(sorted(found)[:PATHS_MAX])

    def _texts(
        self, named: dict[str, str], paths: Sequence[tuple[str, str]], fresh: Sequence[str]
    ) -> Iterable[Text]:
        """What new objects say: all that the pack brings, reachable or not, and what the upstream
        has of the new commits already.
        """
        self._left -= sum(len(path) for _, path in paths)
        sizes = self._brought(fresh)
        read = {id: size for id, (kind, size) in sizes.items() if kind != "tree"}
        plain = {id: size for id, size in read.items() if size <= FILE_MAX}
        found = (one for batch in batches(plain) for one in self._git.objects(batch))
        for id, kind, data in found:
            text = _decoded(data if kind == "blob" else _ADDRESS.sub(rb"\1", data))
            if text is None:
                self._binaries += 1
                continue
            self._left -= len(text)
            if self._left < 0:
                self._doubt("it brings more text than is inspected at once")
                return
            yield Text(text, "arguments", (kind, named.get(id, id)))
        large = [id for id in read if id not in plain]
        if len(large) > LARGE_MAX:
            self._doubt(f"it brings more than {LARGE_MAX} files above {FILE_MAX} bytes")
        for id in large[:LARGE_MAX]:
            with self._git.run("cat-file", "-p", id, limits=_LARGE) as printed:
                if _decoded(printed.read(SNIFF_BYTES)) is None:
                    self._binaries += 1
                else:
                    self._doubt(f"it brings a text above {FILE_MAX} bytes")

    def _brought(self, fresh: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Type and size of the objects of new commits, and of those in the pack that the mirror
        does not have.
        """
        new = self._reached(fresh, "--objects") if fresh else []
        reached = dict.fromkeys(row.partition(" ")[0] for row in new)
        ids = [
            id
            for index in sorted((self._quarantine / "pack").glob("*.idx"))
            for id in packed(index.read_bytes(), 32 if self._push.format == "sha256" else 20)
        ]
        if len(ids) > OBJECTS_MAX or len(reached) > OBJECTS_MAX:
            self._doubt(f"it brings more than {OBJECTS_MAX} objects")
            ids = ids[:OBJECTS_MAX]
        known = self._known.sizes(ids) if ids else {}
        found = [*reached, *(id for id in ids if id not in known and id not in reached)]
        return self._git.sizes(found[:OBJECTS_MAX]) if found else {}

    def _doubt(self, reason: str) -> None:
        self._unread = self._unread or reason


_GROWTH = 4
_GROWTH_LEAST = 256 << 20
"""How large files of the quarantine may become: a thin pack takes in its bases, whole."""

_LARGE = Bounds(STEP_SECONDS, 2 << 30)
"""For the files that are too large to be read whole."""


_LACKING = re.compile(r"unresolved delta|did not receive expected object")
"""What git says of a pack whose objects build on others that are not here (git-index-pack(1))."""

_ADDRESS = re.compile(
    rb"^((?:author|committer|tagger) [^<>\n]{0,200}) <[^<>\n]{0,254}>", re.MULTILINE
)
"""The address of who made a commit or tag: it is where it belongs, and no personal data found."""


def batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Objects in groups of which git prints at most OUTPUT_MAX bytes, its heads included."""
    batch: list[str] = []
    total = 0
    for id, size in sizes.items():
        if batch and total + size + _HEAD_BYTES > OUTPUT_MAX:
            yield batch
            batch, total = [], 0
        batch.append(id)
        total += size + _HEAD_BYTES
    if batch:
        yield batch


_HEAD_BYTES = 128
"""More than the line before an object holds: its name, type and size (git-cat-file(1))."""


def packed(index: bytes, length: int) -> list[str]:
    """The names in the index of a pack, version 2: after its head and 256 counts of four bytes
    each, names of `length` bytes in order (gitformat-pack(5)).
    """
    count = int.from_bytes(index[8 + 4 * 255 : 8 + 4 * 256])
    at = 8 + 4 * 256
    return [index[at + length * n : at + length * (n + 1)].hex() for n in range(count)]


def none(id: str) -> bool:
    return set(id) == {"0"}


def _decoded(data: bytes) -> str | None:
    """A text; None for what is none. A mark of UTF-16 is believed."""
    if data[:2] in _UTF16:
        return data.decode("utf-16", "replace")
    if b"\0" in data[:SNIFF_BYTES]:
        return None
    return data.decode("utf-8", "replace")
