"""`aegis packs`: detection rules of your own or of other people. Each change is a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import CallerError, ConfigError
from . import home, output

if TYPE_CHECKING:
    from ..kernel.config import Loaded
    from ..kernel.packs import Document, Shelf


class _Line(msgspec.Struct, frozen=True):
    """What `list` and `verify` say about one pack; `problem` is empty where it is right."""

    name: str
    version: str
    rules: int
    sha256: str
    signer: str
    used: bool
    problem: str


def list_packs(*, config: Path | None = None, json: bool = False) -> int:
    """List the rule packs of the home folder, and which of them aegis.yaml puts in force.

    Parameters
    ----------
    config
        the aegis.yaml to use
    json
        print JSON: one object per pack
    """
    found = home.loaded(config)
    lines = [_line(found, name, prove=False) for name in _shelf(found).lock()]
    if json:
        output.json(lines)
        return 0
    _table(lines, "no rule packs; `aegis packs add FILE` adds one")
    return 0


def add(file: Path, /, *, unsigned: bool = False, config: Path | None = None) -> int:
    """Add a rule pack, or a later version of one, and pin its content.

    The signature is read from FILE.sig. The hits and misses of its rules have to hold.

    Parameters
    ----------
    file
        the pack
    unsigned
        add it although no publisher trusted here has signed it
    config
        the aegis.yaml to use
    """
    from ..kernel import packs

    found = home.loaded(config)
    one = packs.document(file)
    note = "" if unsigned else _note(file)
    shelf = _shelf(found)
    before = shelf.lock().get(one.pack.name)
    pinned = shelf.add(one, note)
    details = {"pack": one.pack.label, "sha256": pinned.sha256, "signer": pinned.signer}
    try:
        _record(found, "pack.add", details)
    except BaseException:
        # what is not on record is not in force
        shelf.restore(one.pack.name, before)
        raise
    output.say(f"added {one.pack.label}: {len(one.pack.rules)} rules, sha256:{pinned.sha256}")
    if one.pack.name not in _used(found):
        output.note(
            "it is not in force yet; write in aegis.yaml: "
            f"`guardrails: {{ packs: {{ options: {{ use: [{one.pack.name}] }} }} }}`"
        )
    return 0


def remove(name: str, /, *, config: Path | None = None) -> int:
    """Remove a rule pack that aegis.yaml does not use any more.

    Parameters
    ----------
    name
        the name of the pack
    config
        the aegis.yaml to use
    """
    found = home.loaded(config)
    if name in _used(found):
        raise CallerError(f"`{name}` is in force; take it out of `guardrails.packs` first")
    shelf = _shelf(found)
    pinned = shelf.pinned(name)
    _record(found, "pack.remove", {"pack": f"{name} {pinned.version}", "sha256": pinned.sha256})
    shelf.remove(name)
    output.say(f"removed {name} {pinned.version}")
    return 0


def verify(*files: Path, config: Path | None = None, json: bool = False) -> int:
    """Check form, signature and cases of pack files, or of every pack that was added, these also
    against their pins. Exit code 1 where something is wrong.

    Parameters
    ----------
    files
        pack files; without any, the packs of the home folder
    config
        the aegis.yaml to use
    json
        print JSON: one object per pack
    """
    found = home.loaded(config)
    names = () if files else tuple(_shelf(found).lock())
    lines = [_file_line(found, file) for file in files]
    lines += [_line(found, name, prove=True) for name in names]
    if json:
        output.json(lines)
    else:
        _table(lines, "no rule packs; `aegis packs add FILE` adds one")
    return 1 if any(line.problem for line in lines) else 0


def run_cases(*files: Path, config: Path | None = None) -> int:
    """Run the hits and misses of pack files, or of every pack that was added, with the rules that
    ship beside them.

    Parameters
    ----------
    files
        pack files; without any, the packs of the home folder
    config
        the aegis.yaml to use
    """
    from ..kernel import packs

    if not files:
        shelf = _shelf(home.loaded(config))
        files = tuple(shelf.path(name, pinned) for name, pinned in shelf.lock().items())
    if not files:
        raise CallerError("no rule packs; name a file, or add one with `aegis packs add FILE`")
    failed = 0
    for file in files:
        one = packs.document(file)
        cases = sum(len(rule.hits) + len(rule.misses) for rule in one.pack.rules)
        try:
            packs.proved([one])
        except ConfigError as error:
            failed += 1
            for problem in error.problems:
                output.say(problem)
            output.say(f"{one.pack.label}: {len(error.problems)} of {cases} cases fail")
        else:
            output.say(f"{one.pack.label}: {cases} cases hold")
    return 1 if failed else 0


def trust(key: str, /, *, config: Path | None = None) -> int:
    """Trust a publisher of rule packs: packs they signed can be added.

    Parameters
    ----------
    key
        the publisher's verifier key (NAME+ID+KEY), from a channel you trust
    config
        the aegis.yaml to use
    """
    found = home.loaded(config)
    shelf = _shelf(found)
    identity = shelf.publisher(key)
    _record(found, "pack.trust", {"publisher": identity.name, "key": identity.fingerprint})
    shelf.trust(identity)
    output.say(f"trusting {identity.name} ({identity.fingerprint})")
    return 0


def sign(file: Path, /, *, key: Path, name: str = "") -> int:
    """Sign a rule pack you publish: writes FILE.sig and prints the key to hand out.

    Parameters
    ----------
    file
        the pack; its cases have to hold
    key
        your private key (Ed25519, PEM); made where there is none
    name
        your name as a publisher, such as acme.example; the same every time
    """
    from ..kernel import packs
    from ..ledger.keys import signer_at

    if set(name) & set("+ \t\r\n"):
        raise CallerError(f"`{name}` is no name of a publisher: it has a blank or `+` in it")
    one = packs.document(file)
    packs.proved([one])
    fresh = not key.exists()
    signer = signer_at(key, name)
    signature = file.with_name(file.name + packs.SIGNATURE)
    signature.write_text(packs.signed(one, signer), encoding="utf-8")
    if fresh:
        output.note(f"made {key}; keep it, and nobody else may read it")
    output.say(f"signed {one.pack.label} in {signature}")
    output.say(f"publisher: {signer.identity}")
    return 0


def _shelf(found: Loaded) -> Shelf:
    from ..kernel.packs import Shelf

    return Shelf(Path(found.settings.home))


def _used(found: Loaded) -> tuple[str, ...]:
    """The packs that a configuration puts in force."""
    from ..kernel import packs

    guard = (found.settings.guardrails or {}).get(packs.GUARD)
    return packs.names_of(guard) if guard is not None and guard.enabled else ()


def _note(file: Path) -> str:
    """The signature beside a pack. Raises CallerError where there is none."""
    from ..kernel.config import read_text
    from ..kernel.packs import SIGNATURE

    path = file.with_name(file.name + SIGNATURE)
    if not path.exists():
        raise CallerError(
            f"`{file}` has no signature beside it (`{path.name}`); add it with `--unsigned` if "
            "you have read its rules"
        )
    return read_text(path)


def _line(found: Loaded, name: str, *, prove: bool) -> _Line:
    """A pack that was added, checked; with `prove` its cases are run, too."""
    from ..kernel import packs

    shelf = _shelf(found)
    pinned = shelf.pinned(name)
    try:
        one: Document | None = shelf.checked(name)
        if one is not None and prove:
            packs.proved([one])
        problem = ""
    except ConfigError as error:
        one, problem = None, str(error)
    return _Line(
        name,
        pinned.version,
        len(one.pack.rules) if one is not None else 0,
        pinned.sha256,
        pinned.signer,
        name in _used(found),
        problem,
    )


def _file_line(found: Loaded, file: Path) -> _Line:
    """A pack in a file, checked."""
    from ..kernel import packs
    from ..kernel.config import read_text

    one = packs.document(file)
    signer, problem = "", ""
    try:
        packs.proved([one])
        note = file.with_name(file.name + packs.SIGNATURE)
        if note.exists():
            signer = _shelf(found).signer(one, read_text(note))
    except ConfigError as error:
        problem = str(error)
    rules = len(one.pack.rules)
    return _Line(one.pack.name, one.pack.version, rules, one.sha256, signer, False, problem)


def _table(lines: list[_Line], empty: str) -> None:
    output.table(
        ("name", "version", "rules", "signed by", "in force", "sha256", ""),
        (
            (
                line.name,
                line.version,
                line.rules or "",
                line.signer.partition("+")[0] or "nobody",
                "yes" if line.used else "",
                line.sha256[:16],
                "ok" if not line.problem else "refused",
            )
            for line in lines
        ),
        empty,
    )
    for line in lines:
        if line.problem:
            output.note(line.problem)


def _record(found: Loaded, event: str, details: dict[str, Any]) -> None:
    """Record a change. No guard runs for it, so that a pack that fails can be mended."""
    from ..kernel.build import open_runtime

    bare = msgspec.structs.replace(found.settings, guardrails={})
    opened = open_runtime(msgspec.structs.replace(found, settings=bare))
    try:
        opened.admin(event, by=home.user(), details=details)
    finally:
        opened.close()
