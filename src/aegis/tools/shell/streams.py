"""sed and awk: programs of their own language, which may write files and run commands."""

from __future__ import annotations

import re

from ..reading import EXECUTE, READ, UNKNOWN, WRITE
from . import awk, sed
from .call import Call, parsed
from .files import read_file, write_file
from .quoting import HOLE
from .script import Word

_IN_PLACE = re.compile(r"(-[nErsuz]*i)(.*)", re.S)


def edits_stream(call: Call) -> None:
    """sed: reads, with -i writes; its script may write files and run commands."""
    # `-i` takes its suffix in the same word: what is behind it are no options
    cut = [(word, _IN_PLACE.match(word.text)) for word in call.args]
    args = [word if match is None else Word(match[1]) for word, match in cut]
    valued = frozenset(("e", "f", "l", "expression", "file", "line-length"))
    found = parsed(args, valued)
    in_place = found.has("i", "in-place")
    call.notes.does(WRITE if in_place else READ)
    operands = found.operands
    scripts = found.of("e", "expression")
    files = found.of("f", "file")
    if not scripts and not files:
        scripts, operands = operands[:1], operands[1:]
    for file in files:
        call.notes.does(EXECUTE)
        call.file(file, EXECUTE)
    if scripts:
        _script(call, "\n".join(script.text for script in scripts))
    suffixes = [match[2] for _, match in cut if match is not None and match[2]]
    suffixes += [word.text for word in found.of("in-place")]
    for word in operands:
        (write_file if in_place else read_file)(call, word)
        for suffix in suffixes:
            write_file(call, _backup(word.text, suffix))


def _backup(path: str, suffix: str) -> str:
    """Where `sed -i SUFFIX` keeps the file as it was: `*` in a suffix stands for the file's name,
    and one with a `/` names another folder (GNU sed's manual, 2.2).
    """
    folder, slash, name = path.rpartition("/")
    kept = suffix.replace("*", name) if "*" in suffix else name + suffix
    return kept if "/" in kept else folder + slash + kept


def _script(call: Call, script: str) -> None:
    if HOLE in script:
        call.notes.doubts("part of a script of sed is only known when it runs")
    done = sed.effects(script)
    if done.unread:
        call.notes.doubts(done.unread)
    _acts(call, done)


def _acts(call: Call, done: sed.Effects | awk.Effects) -> None:
    """Notes the files that a program reads and writes, and the commands it runs."""
    for verb, names in ((READ, done.reads), (WRITE, done.writes)):
        for name in names:
            if name is None:
                call.notes.does(verb)
                call.notes.touches("file", UNKNOWN, verb)
                call.notes.doubts("the name of a file is only known when it runs")
            else:
                (read_file if verb == READ else write_file)(call, name)
    for line in done.runs:
        call.notes.does(EXECUTE)
        call.notes.threatens("inline-code")
        if line is not None:
            call.scene.line(line, call.scene)


_REPORT = re.compile(r"(?:-(?:(d)|[op])|--(?:(du[\w-]*)|(?:pre|pro)[\w-]*)=?)(.*)", re.S)
"""An option of gawk that writes a file, awkprof.out or awkvars.out where none is named."""


def runs_awk(call: Call) -> None:
    """awk: its program may run others, write files or open connections."""
    valued = "F v f e i l E file assign field-separator source include load exec"
    found = parsed(call.args, frozenset(valued.split()))
    operands = found.operands
    call.notes.does(READ)
    programs, files = found.of("e", "source"), found.of("f", "file", "E", "exec")
    included = found.of("i", "include", "l", "load")
    in_place = any(word.text == "inplace" for word in included)
    if any(word.text != "inplace" for word in included) or files:
        call.notes.does(EXECUTE)
    for file in files:
        call.file(file, EXECUTE)
        if file.sources or file.process or file.text in ("-", "/dev/stdin"):
            call.notes.doubts("a program of awk is only known when it runs")
    if any(text.startswith("-W") for text in call.texts):
        call.notes.doubts("an option of mawk may name a program")
    if not programs and not files:
        programs, operands = operands[:1], operands[1:]
    for program in programs:
        if HOLE in program.text:
            call.notes.doubts("part of a program of awk is only known when it runs")
        done = awk.effects(program.text)
        if done.unread:
            call.notes.doubts(done.unread)
        _acts(call, done)
    for match in filter(None, map(_REPORT.fullmatch, call.texts)):
        write_file(call, match[3] or ("awkvars.out" if match[1] or match[2] else "awkprof.out"))
    for word in operands:
        if in_place:
            write_file(call, word)
        elif not re.match(r"[A-Za-z_]\w*=", word.text):
            read_file(call, word)


PROGRAMS = {
    **dict.fromkeys(("sed", "gsed"), edits_stream),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), runs_awk),
}
"""Name → its judge."""
