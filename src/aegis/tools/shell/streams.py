"""sed and awk: programs of their own language, which may write files and run commands."""

from __future__ import annotations

import re

from ..reading import EXECUTE, READ, WRITE
from .call import Call, parsed
from .files import read_file, write_file

_SED_RUNS = re.compile(r"(?:^|[;\d$/}!])\s*e\s|/[gIp]*e[gIp]*(?:;|$)|(?:^|[;\d$])\s*[wW]\s")


def edits_stream(call: Call) -> None:
    """sed: reads, with -i writes, with `e` runs commands."""
    found = parsed(call.args, frozenset(("e", "f", "expression", "file", "l")))
    in_place = any(
        text == "--in-place" or re.match(r"-[a-zA-Z]*i|--in-place=", text) for text in call.texts
    )
    call.notes.does(WRITE if in_place else READ)
    operands = found.operands
    scripts = found.of("e", "expression")
    if not scripts and not found.of("f", "file"):
        scripts, operands = operands[:1], operands[1:]
    for script in scripts:
        if _SED_RUNS.search(script.text):
            call.notes.does(EXECUTE)
            call.notes.threatens("inline-code")
    for word in operands:
        (write_file if in_place else read_file)(call, word)


_AWK_RUNS = re.compile(r"system\s*\(|\|\s*getline|\|\s*\"|\|&|/inet/|>\s*\"")


def runs_awk(call: Call) -> None:
    """awk: its program may run others, write files or open connections."""
    found = parsed(call.args, frozenset(("F", "v", "f", "file", "assign", "field-separator")))
    operands = found.operands
    call.notes.does(READ)
    if not found.of("f", "file") and operands:
        program, operands = operands[0], operands[1:]
        if _AWK_RUNS.search(program.text):
            call.notes.does(EXECUTE)
            call.notes.threatens("inline-code")
    elif found.of("f", "file"):
        call.notes.does(EXECUTE)
    for word in operands:
        read_file(call, word)


PROGRAMS = {
    **dict.fromkeys(("sed", "gsed"), edits_stream),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), runs_awk),
}
"""Name → its judge."""
