"""Programs nobody knows: they execute, and what they are given may be a command.

`retry rm -rf build` runs `rm`. A word that is called like a program which deletes, runs or sends
begins a command; a word with spaces that begins with one may be a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading import EXECUTE, Notes

if TYPE_CHECKING:
    from .call import Call
    from .script import Word

_TELLING = frozenset(
    """sh bash zsh dash ksh ash fish rm rmdir shred unlink srm dd wipefs mkfs chmod chown mv curl
    wget nc ncat socat ssh scp rsync python python3 perl ruby node php sudo doas su env xargs eval
    kill pkill killall shutdown reboot git kubectl terraform aws gcloud az docker podman psql mysql
    sqlite3 systemctl iptables crontab tee truncate""".split()  # noqa: SIM905
)
"""Programs whose names are hardly ever words of a language, and which do damage."""

_PREFIXES = ("!", "shell ", "spawn ", "exec ")
"""What stands before a line in the commands of debuggers, editors and `expect`."""

LINES_MAX = 16
"""Most words of one command that are read as lines."""


def runs(call: Call) -> None:
    """What a program nobody knows does: execute, and whatever command it seems to be given."""
    notes = call.notes
    notes.does(EXECUTE)
    for word in call.args:
        if word.text.startswith(("http://", "https://")):
            from .. import http

            http.note_address(word.text, "GET", notes)
    for at, word in enumerate(call.args[:-1]):
        if _name(word.text) in _TELLING:
            call.scene.words(call.args[at:], call.command, call.scene)
            break
    lines = [word for word in call.args if any(char.isspace() for char in word.text)]
    for word in lines[:LINES_MAX]:
        _line(call, word)


def _line(call: Call, word: Word) -> None:
    """A word that may be a line; one without a danger is taken for a text."""
    text = word.text.partition("=")[2] if word.text.startswith("-") else word.text
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    if _name(text.split(maxsplit=1)[0] if text.strip() else "") not in _TELLING:
        return
    outer, call.scene.notes = call.scene.notes, Notes()
    call.scene.line(text, call.scene)
    found, call.scene.notes = call.scene.notes, outer
    if found.dangers:
        outer.joins(found.reading())


def _name(text: str) -> str:
    return text.rpartition("/")[2]
