"""Rule packs of a home folder: whose are trusted, which were added, that they are still the same.

A pack is pinned by the SHA-256 of its content when it is added, and everything is checked again
whenever it is loaded: form, pin, signature, its own hits and misses. A signature is a signed note
(C2SP signed-note, Ed25519) over name, version and content hash, in a file of its own beside the
pack; the keys of trusted publishers stand in the home folder. See `spec/pack.md`.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..detect import Engine
from ..detect.pack import Pack, complaints, failures, joined, nameable, ordered
from ..detect.ruleset import load as shipped
from ..ledger.checkpoint import Identity
from ..ledger.keys import replace_file
from ..model import CallerError, ConfigError, LedgerError, Prepared, Problem
from .config import read, read_text
from .typed import Reader, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..ledger.checkpoint import Signer
    from ..policy.source import Node
    from .settings import Guardrail

FOLDER = "packs"
LOCK = "packs.lock"
TRUSTED = "trusted.keys"
SIGNATURE = ".sig"
GUARD = "packs"
"""Name of the guard whose option `use` names the packs in force."""

PACKS_MAX = 50
"""Most packs in force: each brings patterns that every text is compared with."""

PUBLISHERS_MAX = 1_000
"""Most trusted publishers; each signature is tried with every one of the same name."""

HEADING = "aegis rule pack"
"""First line of what is signed, so that no other note of the key can be taken for it."""

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Pinned(msgspec.Struct, frozen=True):
    """A pack as it was added: `signer` is the verifier key, empty where it was added unsigned."""

    version: str
    sha256: str
    signer: str = ""


class _Lock(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    packs: dict[str, Pinned]


_LOCK = Prepared(_Lock)


class Document(msgspec.Struct, frozen=True):
    """A pack and the file it came from."""

    pack: Pack
    text: str
    path: Path

    @property
    def sha256(self) -> str:
        """Hash of the content, hexadecimal: what a pack is pinned by."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statement(self) -> str:
        """What a publisher signs."""
        return f"{HEADING}\n{self.pack.label}\nsha256:{self.sha256}\n"


def document(path: Path) -> Document:
    """The pack in a file. Raises ConfigError with the place of everything that is wrong."""
    text = read_text(path)
    root = read(text, str(path))
    reader = Reader(str(path))
    pack = reader.read(Pack, root)
    problems = list(reader.problems)
    if pack is not None:
        problems = [_placed(root, path, where, wrong) for where, wrong in complaints(pack)]
    if pack is None or problems:
        raise ConfigError(problems)
    return Document(pack, text, path)


def _placed(root: Node, path: Path, where: str, message: str) -> Problem:
    """A complaint about a part of a document, with the line and column of that part."""
    node = root
    for key, index in _PART.findall(where):
        below = node.value
        if key and isinstance(below, dict) and key in below:
            node = below[key]
        elif index and isinstance(below, list) and int(index) < len(below):
            node = below[int(index)]
    return Problem(message, source=str(path), line=node.line, column=node.column, path=where)


def proved(documents: Sequence[Document]) -> Engine:
    """The engine with the rules of packs, after the cases of each held in it.

    Raises ConfigError that names every case that fails.
    """
    made = engine(tuple(one.pack for one in documents))
    problems = []
    for one in documents:
        found = failures(one.pack, made)
        if found:
            root = read(one.text, str(one.path))
            problems += [_placed(root, one.path, p.path, p.message) for p in found]
    if problems:
        raise ConfigError(problems)
    return made


@lru_cache(maxsize=4)
def engine(packs: tuple[Pack, ...]) -> Engine:
    """The engine with the rules of packs; both stages and the redactor share one."""
    return Engine(joined(shipped(), packs))


def signed(one: Document, signer: Signer) -> str:
    """The signature file of a pack."""
    return signer.sign(one.statement)


class Shelf:
    """The packs of one home folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def lock(self) -> dict[str, Pinned]:
        """What was added, by name. Raises ConfigError where the lock file is damaged."""
        path = self.folder / LOCK
        if not path.exists():
            return {}
        try:
            found = _LOCK.decode(read_text(path))
        except msgspec.MsgspecError as error:
            hint = "add the packs again"
            raise ConfigError([Problem(str(error), source=str(path), hint=hint)]) from None
        for name, pinned in found.packs.items():
            if not nameable(name, pinned.version):
                wrong = f"`{name} {pinned.version}` is no name and version of a pack"
                raise ConfigError([Problem(wrong, source=str(path), hint="take it out")])
        return found.packs

    def trusted(self) -> list[Identity]:
        """The publishers trusted here. Raises ConfigError for a line that is no key."""
        path = self.folder / TRUSTED
        if not path.exists():
            return []
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        try:
            return [Identity.parse(line) for line in lines[:PUBLISHERS_MAX]]
        except LedgerError as error:
            raise ConfigError([Problem(str(error), source=str(path))]) from None

    def publisher(self, key: str) -> Identity:
        """The publisher of a verifier key. Raises CallerError where it is none."""
        try:
            return Identity.parse(key)
        except LedgerError as error:
            raise CallerError(str(error)) from None

    def trust(self, identity: Identity) -> None:
        """Trust a publisher from now on. Raises CallerError beyond PUBLISHERS_MAX."""
        known = {str(one) for one in self.trusted()}
        if len(known) >= PUBLISHERS_MAX:
            raise CallerError(f"{PUBLISHERS_MAX} publishers are trusted already; remove some")
        self._write(TRUSTED, "\n".join(sorted(known | {str(identity)})) + "\n")

    def signer(self, one: Document, note: str) -> str:
        """The verifier key of the trusted publisher who signed a pack.

        Raises ConfigError where none did.
        """
        for identity in self.trusted():
            try:
                said = identity.open(note)
            except LedgerError:
                continue
            if said == one.statement:
                return str(identity)
            wrong = f"its signature by `{identity.name}` is for other content"
            raise ConfigError([Problem(wrong, source=str(one.path))])
        hint = "`aegis packs trust KEY` with the verifier key of its publisher, if you trust them"
        wrong = "no publisher trusted here has signed it"
        raise ConfigError([Problem(wrong, source=str(one.path), hint=hint)])

    def add(self, one: Document, note: str) -> Pinned:
        """Add a pack, or a later version of one; `note` is its signature, empty for none.

        Raises ConfigError where its cases or its signature fail, CallerError where the same
        version or a later one is there.
        """
        packs = self.lock()
        before = packs.get(one.pack.name)
        if before is not None and before.sha256 != one.sha256:
            if ordered(before.version) == ordered(one.pack.version):
                raise CallerError(
                    f"`{one.pack.label}` is there with other content; a changed pack needs a "
                    "later version"
                )
            if ordered(before.version) > ordered(one.pack.version):
                raise CallerError(
                    f"`{one.pack.name} {before.version}` is there, which is later than "
                    f"{one.pack.version}; remove it first to go back"
                )
        pinned = Pinned(one.pack.version, one.sha256, self.signer(one, note) if note else "")
        proved([one])
        file = self.path(one.pack.name, pinned)
        self._write(file.name, one.text)
        if note:
            self._write(file.name + SIGNATURE, note)
        self._save(packs | {one.pack.name: pinned})
        return pinned

    def pinned(self, name: str) -> Pinned:
        """The pin of a pack. Raises CallerError where it was never added."""
        packs = self.lock()
        if name not in packs:
            raise CallerError(_unknown(name, packs))
        return packs[name]

    def remove(self, name: str) -> None:
        """Remove a pack. Raises CallerError where it was never added."""
        pinned = self.pinned(name)
        self.restore(name, None)
        for file in (self.path(name, pinned), self._note(name, pinned)):
            file.unlink(missing_ok=True)

    def restore(self, name: str, pinned: Pinned | None) -> None:
        """Pin a pack as it was pinned before; None: it was not there."""
        packs = self.lock()
        packs.pop(name, None)
        self._save(packs | ({name: pinned} if pinned is not None else {}))

    def path(self, name: str, pinned: Pinned) -> Path:
        """The file of a pack that was added."""
        return self.folder / f"{name}-{pinned.version}.yaml"

    def checked(self, name: str) -> Document:
        """A pack that was added: still the same, still signed by somebody trusted.

        Raises ConfigError where it is not. Its cases are not run (see `proved`).
        """
        packs = self.lock()
        pinned = packs.get(name)
        if pinned is None:
            raise ConfigError([Problem(_unknown(name, packs))])
        path = self.path(name, pinned)
        one = document(path)
        if one.sha256 != pinned.sha256:
            wrong = f"changed since it was added (pinned sha256:{pinned.sha256[:16]}…)"
            hint = f"`aegis packs remove {name}`, then add the pack again"
            raise ConfigError([Problem(wrong, source=str(path), hint=hint)])
        if pinned.signer:
            self.signer(one, read_text(self._note(name, pinned)))
        return one

    def _note(self, name: str, pinned: Pinned) -> Path:
        path = self.path(name, pinned)
        return path.with_name(path.name + SIGNATURE)

    def _save(self, packs: dict[str, Pinned]) -> None:
        ordered_ = {name: packs[name] for name in sorted(packs)}
        data = msgspec.json.format(msgspec.json.encode(_Lock(1, ordered_)), indent=1)
        self._write(LOCK, data.decode() + "\n")

    def _write(self, name: str, text: str) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self.folder / name, text.encode())


def _unknown(name: str, packs: Mapping[str, Pinned]) -> str:
    hint = suggestion(name, packs) if packs else "`aegis packs add FILE` adds one"
    return f"no rule pack `{name}` was added" + (f" ({hint})" if hint else "")


def names_of(guard: Guardrail) -> tuple[str, ...]:
    """The packs that a guard uses. Raises ConfigError where `use` is no list of names."""
    use = guard.options.get("use")
    names = [use] if isinstance(use, str) else use
    if (
        not isinstance(names, (list, tuple))
        or not names
        or not all(isinstance(name, str) for name in names)
    ):
        raise ConfigError("guardrails packs: `options.use` has to list the packs to use")
    if len(set(names)) != len(names) or len(names) > PACKS_MAX:
        raise ConfigError(
            f"guardrails packs: `options.use` lists a pack twice, or more than {PACKS_MAX}"
        )
    return tuple(names)


def in_force(guard: Guardrail, home: Path) -> tuple[Pack, ...]:
    """The packs that the guard `packs` uses, checked and proved. Raises ConfigError."""
    shelf = Shelf(home)
    documents = [shelf.checked(name) for name in names_of(guard)]
    proved(documents)
    return tuple(one.pack for one in documents)


def with_packs(enabled: Mapping[str, Guardrail], packs: Sequence[Pack]) -> Mapping[str, Guardrail]:
    """The guards, the one of packs with its engine and with what the packs bring."""
    if not packs:
        return enabled
    guard = enabled[GUARD]
    brings = {rule.category: pack.label for pack in packs for rule in pack.rules}
    options = {**guard.options, "engine": engine(tuple(packs)), "brings": brings}
    return {**enabled, GUARD: msgspec.structs.replace(guard, options=options)}


def redactor_with(redact: Callable[[Any], Any], packs: Sequence[Pack]) -> Callable[[Any], Any]:
    """`redact`, and after it the values that packs describe."""
    if not packs:
        return redact
    from ..detect.pack import hiding

    return hiding(redact, engine(tuple(packs)))
