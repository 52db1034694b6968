"""Programs that pack and unpack: which archive they write, what they remove, what they run.

Which files unpacking writes only the archive tells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..reading import DELETE, EXECUTE, READ, WRITE
from .call import Call, Parsed, parsed
from .files import read_file, write_file
from .script import Word

if TYPE_CHECKING:
    from collections.abc import Callable

_TAR = frozenset(
    """f file C directory T files-from X exclude-from g listed-incremental I use-compress-program
    F info-script new-volume-script to-command checkpoint-action rmt-command rsh-command index-file
    b blocking-factor L tape-length H format V label K starting-file N newer after-date transform
    xform owner group mode mtime exclude strip-components suffix volno-file add-file
    """.split()  # noqa: SIM905
)
_SYSTEM = re.compile(r"/(?:bin|boot|etc|lib\w*|sbin|usr(?:/(?:bin|sbin|lib\w*))?)?(?:/.*)?$")
"""Folders of the system, and all of it."""

_MAKES = ("c", "create", "r", "append", "u", "update", "A", "catenate", "concatenate", "delete")
_RUNS = ("to-command", "F", "info-script", "new-volume-script", "rmt-command", "rsh-command")


def tar(call: Call) -> None:
    """tar: an option may run a program for every member or at every checkpoint."""
    call.notes.does(WRITE)
    found = parsed(_dashed(call.args), _TAR)
    making = found.has(*_MAKES)
    for word in found.of("f", "file"):
        if word.text != "-":
            (write_file if making else read_file)(call, word)
    for word in found.of("g", "listed-incremental", "index-file", "volno-file"):
        write_file(call, word)
    places = [word.text for word in found.of("C", "directory")]
    for word in found.operands:
        for text in (word.text, *(f"{place}/{word.text}" for place in places)):
            _member(call, text, making)
        if found.has("remove-files"):
            call.file(word, DELETE)
            call.notes.does(DELETE)
    if found.has("x", "extract", "get"):
        _into(call, places)
    _runs(call, found)


def _member(call: Call, text: str, making: bool) -> None:
    """What an archive is made of, or what is looked for in it."""
    if not making:
        call.file(text, READ)
        return
    read_file(call, text)
    if any(path in ("/", "~", "/etc", "~/.ssh") for path in call.scene.paths(text)):
        call.notes.threatens("credentials-read")


def _into(call: Call, places: list[str]) -> None:
    """Whatever an archive holds is written into these folders, or into the one of the line."""
    for place in places or ["."]:
        write_file(call, f"{place}/*")
        if any(_SYSTEM.match(path) for path in call.scene.paths(place)):
            call.notes.threatens("system-write")


def _runs(call: Call, found: Parsed) -> None:
    """Notes what the options of tar run."""
    actions = [word.text for word in found.of("checkpoint-action")]
    lines = [text[5:] for text in actions if text.startswith("exec=")]
    lines += [word.text for word in found.of(*_RUNS)]
    if lines:
        call.notes.threatens("inline-code")
    for line in [*lines, *(word.text for word in found.of("I", "use-compress-program"))]:
        call.notes.does(EXECUTE)
        call.scene.line(line, call.scene)


def _dashed(args: list[Word]) -> list[Word]:
    """The arguments of tar with a dash at each option: in the old style the first word is all
    letters, whose values stand behind it in their order (GNU tar's manual, 3.3.3).
    """
    if not args or args[0].text.startswith("-"):
        return args
    rest = args[1:]
    out: list[Word] = []
    for letter in args[0].text:
        out.append(Word("-" + letter))
        if letter in _TAR and rest:
            out.append(rest.pop(0))
    return out + rest


_SUFFIXES = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}


def compresses(call: Call) -> None:
    """Gzip and its like put a file in the place of each; with `-c`, `-t` and `-l` they do not."""
    found = parsed(call.args, frozenset(("S", "suffix", "T", "threads", "M", "memlimit", "o")))
    shows = found.has("c", "stdout", "to-stdout", "t", "test", "l", "list")
    call.notes.does(READ if shows else WRITE)
    suffix = next((word.text for word in found.of("S", "suffix")), _SUFFIXES.get(call.name, ""))
    for word in found.operands:
        read_file(call, word)
        if shows:
            continue
        stem = word.text.rpartition(".")[0]
        unpacks = not suffix or found.has("d", "decompress", "uncompress")
        write_file(call, stem if unpacks and stem else word.text + suffix)
        if not found.has("k", "keep") and "zstd" not in call.name:
            write_file(call, word)
    for word in found.of("o"):
        write_file(call, word)


def zips(call: Call) -> None:
    """zip: its first operand is the archive; `-m` removes what is in it, `-TT` runs a line."""
    call.notes.does(WRITE)
    args = [Word("--unzip-command") if word.text == "-TT" else word for word in call.args]
    found = parsed(args, frozenset("b n O t P unzip-command output-file temp-path".split()))  # noqa: SIM905
    for word in [*found.operands[:1], *found.of("O", "output-file")]:
        write_file(call, word)
        write_file(call, word.text + ".zip")
    for word in found.operands[1:]:
        (write_file if found.has("m", "move") else read_file)(call, word)
    for word in found.of("unzip-command"):
        call.notes.does(EXECUTE)
        call.notes.threatens("inline-code")
        call.scene.line(word.text, call.scene)


def unpacks(call: Call) -> None:
    """unzip, 7z and cpio."""
    call.notes.does(WRITE)
    found = parsed(call.args, frozenset(("d", "D", "directory", "O", "F", "I", "file")))
    for word in found.of("O", "F", "file") if call.name == "cpio" else ():
        write_file(call, word)
    if found.has("rsh-command"):
        call.notes.does(EXECUTE)
    for word in found.operands:
        call.file(word, READ)
    places = [word.text for word in found.of("d" if call.name == "unzip" else "D", "directory")]
    if call.name == "7z":
        places = [text[2:] for text in call.texts if text.startswith("-o") and len(text) > 2]
    if places:
        _into(call, places)


PROGRAMS: dict[str, Callable[[Call], None]] = {
    **dict.fromkeys(("tar", "bsdtar"), tar),
    **dict.fromkeys("gzip gunzip bzip2 bunzip2 xz unxz zstd unzstd".split(), compresses),  # noqa: SIM905
    "zip": zips,
    **dict.fromkeys(("unzip", "7z", "cpio"), unpacks),
}
"""Name → its judge."""
