"""Judges a command line: every simple command in it, inside every wrapper and nested shell.

The syntax is `syntax.py`'s, what programs do is said by the tables of `files.py`, `streams.py`,
`network.py`, `machine.py`, `code.py` and `infra.py`. A program nobody knows executes. A line that
is not complete, or whose commands are only known when it runs, is undecided.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ..reading import DELETE, EXECUTE, READ, Notes, Reading
from . import archives, code, files, infra, machine, network, paths, strangers, streams, wrappers
from .builtins import DECLARING, LOADS, MOVES, RELATIVE, evaluates, note_evaluation
from .call import NESTING_MAX, Call, Scene, parsed
from .files import read_file, write_file
from .forwards import FORWARDS
from .quoting import HOLE
from .script import Command, Script, Unreadable, Word
from .syntax import parse

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_MAX = 65_536
"""Longest line that is read, in characters; agents' scripts are a few kilobytes."""

MEMO_MAX = 2_048
"""Most lines remembered, each at most `MEMO_LINE_MAX` long: about 2 MB at worst."""

MEMO_LINE_MAX = 512
"""Longest line that is remembered, in characters."""


def read(line: str, root: str = "", directory: str = "") -> Reading:
    """What a command line would do in `directory`, or in `root`, the folder of the project, whose
    files are named without it. Never raises: what cannot be read is undecided.
    """
    if len(line) > MEMO_LINE_MAX:
        return _read(line, root, directory)
    return _remembered(line, root, directory)


@lru_cache(maxsize=MEMO_MAX)
def _remembered(line: str, root: str, directory: str) -> Reading:
    return _read(line, root, directory)


def _read(line: str, root: str, directory: str) -> Reading:
    notes = Notes()
    if len(line) > LINE_MAX:
        notes.doubts(f"the line is longer than {LINE_MAX} characters")
        return notes.reading()
    _line(line, Scene(notes, _line, _words, directory=directory, root=root, depth=-1))
    if not notes.capabilities and not notes.undecided:
        notes.does(READ)
    return notes.reading()


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_GLUED = re.compile(r"\S\\\n\S")
_DECODED_NAME = re.compile(r"%[0-9a-fA-F]{2}|&[a-z]{2,4};")


def _line(text: str, outer: Scene) -> None:
    notes = outer.notes
    if outer.depth >= NESTING_MAX:
        notes.doubts(f"shells are nested more than {NESTING_MAX} deep")
        return
    if _CONTROLS.search(text):
        notes.doubts("it holds control characters")
        text = _CONTROLS.sub(" ", text)
    if _GLUED.search(text):
        notes.threatens("hidden-command")
        text = text.replace("\\\n", "")
    try:
        script = parse(text)
    except ImportError:
        notes.doubts(
            "no parser for shell commands is installed (`pip install aegis-govern[gates]`)"
        )
        return
    except Unreadable as error:
        notes.doubts(str(error))
        return
    if script.wrong:
        notes.doubts(script.wrong)
    _bombs(text, script, notes)
    functions = outer.functions | script.functions
    others = tuple((place, 0) for place, since in outer.others if since <= outer.at)
    scene = Scene(
        notes, _line, _words, functions, outer.directory, outer.root, outer.depth + 1, others
    )
    for scene.at, command in enumerate(script.commands):
        _command(command, scene)


_ENDLESS = re.compile(r"\bwhile\s+(?:true|:|\[ 1 \])\s*;\s*do\s+[^;&]{1,80}&\s*done")


def _bombs(text: str, script: Script, notes: Notes) -> None:
    for name in script.functions:
        twice = rf"{re.escape(name)}\s*\|\s*{re.escape(name)}"
        if re.search(twice, text):
            notes.threatens("fork-bomb")
    if _ENDLESS.search(text):
        notes.threatens("fork-bomb")


_PLAIN_PROGRAMS = frozenset(
    "cat less more true : vi vim nvim nano emacs ed code delta bat ssh firefox".split()  # noqa: SIM905
)
_HARMLESS_LOADS = re.compile(
    r"^(?:PYTHONPATH|LD_LIBRARY_PATH|NODE_OPTIONS|PERL5LIB|ENV|JAVA_TOOL_OPTIONS)$"
)


def _assigned(pairs: list[tuple[str, Word]], scene: Scene) -> None:
    for name, value in pairs:
        if evaluates(value.text) or evaluates(name):
            scene.notes.doubts("a text that holds commands is kept for later")
        if LOADS.match(name) and value.text:
            if value.text.rpartition("/")[2] in _PLAIN_PROGRAMS:
                continue
            local = not re.search(r"^/(?:tmp|dev/shm|var/tmp)/|require=|-r ", value.text)
            if not (_HARMLESS_LOADS.match(name) and local):
                scene.notes.threatens("preload")
        if name == "PATH" and re.match(r"(?:/tmp|/dev/shm|/var/tmp|\.)(?:[:/]|$)", value.text):
            scene.notes.threatens("preload")
        if MOVES.match(name) or (name == "PATH" and RELATIVE.search(value.text)):
            scene.notes.doubts(f"`{name}` decides what programs run or read")
        if name in ("HISTFILE", "HISTSIZE", "HISTFILESIZE") and value.text in (
            "/dev/null",
            "0",
            "",
        ):
            scene.notes.threatens("log-wipe")


def _command(command: Command, scene: Scene) -> None:
    _assigned(command.assigned, scene)
    for redirect in command.redirects:
        _redirected(redirect.operator, redirect.target, command, scene)
    if command.words:
        _words(command.words, command, scene)
    elif command.assigned:
        scene.notes.does(READ)


def _redirected(operator: str, target: Word, command: Command, scene: Scene) -> None:
    text = target.text
    if text.isdigit() or text == "-":
        return
    call = Call("", [], command, scene)
    if text.startswith(("/dev/tcp/", "/dev/udp/")):
        host = text.split("/")[3] if text.count("/") > 2 else ""
        scene.notes.touches("host", host.replace(HOLE, "?"), "connect")
        scene.notes.threatens("reverse-shell" if _shells(command) else "exfiltration")
        scene.notes.does(EXECUTE)
    elif not target.process:
        if target.sources:
            scene.notes.doubts("the name of a file is only known when it runs")
        reading = operator.startswith("<") and operator != "<>"
        (read_file if reading else write_file)(call, target)


def _shells(command: Command) -> bool:
    names = [
        part.words[0].text.rpartition("/")[2] for part in (command, *command.feeds) if part.words
    ]
    return any(name in code.SHELLS or name == "exec" for name in names)


def _words(words: list[Word], command: Command, scene: Scene) -> None:
    """One command in words; wrappers are taken off, each noted as a program."""
    notes = scene.notes
    for _ in range(wrappers.WRAPPED_MAX):
        if not words:
            return
        first = words[0]
        name = _name(first, scene)
        if name is None:
            return
        if name in ("env", "sudo"):
            _assigned(wrappers.assignments(words[1:]), scene)
        inner = wrappers.inner(name, words[1:])
        if inner is None:
            if name not in FORWARDS:
                _program(Call(name, words[1:], command, scene))
                return
            inner = FORWARDS[name](words[1:])
        notes.touches("program", name, EXECUTE)
        own = words[1 : len(words) - len(inner)]
        _wrapper_files(Call(name, own, command, scene))
        if name in ("sudo", "doas", "pkexec", "su", "run0"):
            notes.touches("privilege", "root", EXECUTE)
        if name in ("nsenter",):
            notes.threatens("container-escape")
        if not inner and name in _OPEN_SHELLS:
            inner = [Word("sh")]
        if not inner:
            notes.does(_ALONE.get(name, EXECUTE))
            _roots(words[1:], name, notes)
            return
        if name == "xargs":
            inner = [*inner, Word(HOLE, sources=())]
            _fed_delete(inner, command, scene)
        words = inner
    notes.doubts(f"a command is wrapped more than {wrappers.WRAPPED_MAX} times")


def _wrapper_files(call: Call) -> None:
    """What a wrapper itself writes: the log of `strace -o`, which may be a pipe to a command."""
    writing = wrappers.WRITES.get(call.name, ())
    if not writing:
        return
    valued = frozenset(name.lstrip("-") for name in wrappers.WRAPPERS[call.name].valued)
    for word in parsed(call.args, valued).of(*writing):
        if call.name == "strace" and word.text.startswith(("|", "!")):
            call.scene.line(word.text[1:], call.scene)
        else:
            write_file(call, word)


_OPEN_SHELLS = frozenset(
    "su runuser script newgrp sg chroot unshare nsenter firejail fakeroot".split()  # noqa: SIM905
)
"""Wrappers that start a shell where they are given no command; it reads its input."""

_ALONE = {"env": READ, "time": READ, "command": READ, "exec": READ, "nice": READ, "xargs": READ}


def _roots(args: list[Word], name: str, notes: Notes) -> None:
    if name == "sudo" and any(word.text in ("-i", "-s") for word in args):
        notes.doubts("it opens a shell with the rights of another user")


def _fed_delete(inner: list[Word], command: Command, scene: Scene) -> None:
    """`find / | xargs rm`: what feeds the deletion says what is deleted."""
    if inner[0].text.rpartition("/")[2] not in ("rm", "shred", "unlink"):
        return
    for feeder in command.feeds:
        for word in feeder.words[1:]:
            if paths.wide(scene.path(word.text)):
                scene.notes.threatens("find-delete-wide")


_RESERVED = frozenset(("{", "}", "then", "do", "done", "fi", "else", "elif", "esac", "in"))


def _name(word: Word, scene: Scene) -> str | None:
    """The name of the program a word starts; None where only running it would tell."""
    text = word.text
    notes = scene.notes
    if HOLE in text or (word.bare and re.search(r"[*?\[]", text) and text not in ("[", "[[")):
        danger = code.danger_of_source(word.sources)
        if danger:
            notes.threatens(danger)
        notes.does(EXECUTE)
        notes.doubts("the name of a command is only known when it runs")
        return None
    if text in _RESERVED:
        notes.doubts("a reserved word stands where a command should")
    if word.disguised or _DECODED_NAME.search(text) or re.search(r"[\s;|&<>]", text):
        notes.threatens("hidden-command")
    if not re.search(r"[\w.\[:]", text):
        notes.threatens("hidden-command")
    if text.startswith((".", "/")) or "/" in text:
        path = scene.path(text)
        notes.touches("file", path, EXECUTE)
        if path.startswith(("/tmp/", "/dev/shm/", "/var/tmp/")):  # noqa: S108 - a name, not a file
            notes.touches("program", path, EXECUTE)
    return posixpath.basename(text) if text not in (".", "..") else text


_JUDGES: dict[str, Callable[[Call], None]] = {
    **files.PROGRAMS,
    **archives.PROGRAMS,
    **streams.PROGRAMS,
    **network.PROGRAMS,
    **code.PROGRAMS,
    **infra.PROGRAMS,
    **machine.PROGRAMS,
}
_ASKS = frozenset(("--help", "--version", "-V"))


def _program(call: Call) -> None:
    notes = call.notes
    name = call.name
    notes.touches("program", name, EXECUTE)
    note_evaluation(call)
    if name in DECLARING:
        _assigned(wrappers.assignments(call.args), call.scene)
    judge = _JUDGES.get(name) or _family(name)
    if judge is not None and not (len(call.args) == 1 and call.args[0].text in _ASKS):
        judge(call)
    elif name == "unset" and any(word.text == "HISTFILE" for word in call.args):
        notes.does(DELETE)
        notes.threatens("log-wipe")
    elif judge is not None or name in files.STATING:
        notes.does(EXECUTE if files.acts(name, call.texts) else READ)
        _changes_directory(call)
    elif name == "alias":
        for word in call.args:
            if word.text.startswith(("sudo=", "su=", "ssh=", "passwd=")):
                notes.threatens("hidden-command")
            call.scene.line(word.text.partition("=")[2], call.scene)
        notes.does(READ)
    elif name == "trap":
        for word in [word for word in call.args if word.text != "--"][:1]:
            code.run_text(call, word)
        notes.does(READ)
    elif name not in call.scene.functions:
        strangers.runs(call)


def _family(name: str) -> Callable[[Call], None] | None:
    if name.startswith("mkfs."):
        return files.makes_filesystem
    if re.fullmatch(r"(?:python|pypy|ruby|perl|php|node|lua)[\d.]+", name):
        return code.interprets
    if re.fullmatch(r"pip[\d.]+", name):
        return machine.packages
    return None


def _changes_directory(call: Call) -> None:
    if call.name in ("cd", "pushd"):
        aims = [word for word in call.args if not word.text.startswith("-")]
        call.scene.moves(aims[0].text if aims else "~", call.command.until)
