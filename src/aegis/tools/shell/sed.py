"""What a script of sed reads, writes and runs, by the syntax of GNU sed's manual, chapter 3."""

from __future__ import annotations

import re

import msgspec

SCRIPT_MAX = 16_384
"""Longest script that is read, in characters; those on a command line are far shorter."""

_ADDRESS = re.compile(r"\s*(?:(?:\d+(?:~\d+)?|\$|[+~]\d+)|(/)|\\(.))")
_TO_LINE_END = frozenset("aic")
_LABELLED = frozenset("btT:")
_NUMBERED = frozenset("qQlLF")
_PLAIN = frozenset("=dDgGhHnNpPxzF")


class Effects(msgspec.Struct):
    """The files a script reads and writes, and the commands it runs (`None` stands for its data).

    `unread` says where the script could not be read any further.
    """

    reads: list[str] = []
    writes: list[str] = []
    runs: list[str | None] = []
    unread: str = ""


class _Unread(Exception):
    """The script is none that sed takes, or none that is understood here."""


def effects(script: str) -> Effects:
    """What a script does besides editing."""
    found = Effects()
    if len(script) > SCRIPT_MAX:
        found.unread = f"a script of sed is longer than {SCRIPT_MAX} characters"
        return found
    try:
        at = 0
        while at < len(script):
            at = _command(script, at, found)
    except _Unread:
        found.unread = "a script of sed cannot be read to its end"
    return found


def _command(script: str, at: int, found: Effects) -> int:
    """Reads one command; returns where the next begins."""
    at = _skip(script, at, "; \t\n}")
    if at >= len(script):
        return at
    at = _addresses(script, at)
    if at >= len(script):
        raise _Unread
    name, at = script[at], at + 1
    if name == "{":
        return at
    if name == "#":
        return _line_end(script, at)
    if name == "s":
        return _substitute(script, at, found)
    if name == "y":
        return _past(script, _past(script, at + 1, script[at : at + 1]), script[at : at + 1])
    if name in "rRwW":
        end = _line_end(script, at)
        (found.reads if name in "rR" else found.writes).append(script[at:end].strip(" \t"))
        return end
    if name == "e":
        end = _line_end(script, at)
        found.runs.append(script[at:end].strip() or None)
        return end
    return _other(script, at, name)


def _other(script: str, at: int, name: str) -> int:
    """Past a command that only edits."""
    if name in _TO_LINE_END:
        end = _line_end(script, at)
        while end < len(script) and _held(script, at, end):
            end = _line_end(script, end + 1)
        return end
    if name in _LABELLED or name == "v":
        return next((n for n in range(at, len(script)) if script[n] in ";\n"), len(script))
    if name in _NUMBERED:
        at = _skip(script, at, " 0123456789")
    elif name not in _PLAIN:
        raise _Unread
    at = _skip(script, at, " \t")
    if at < len(script) and script[at] not in ";\n}#":
        raise _Unread
    return at


def _held(script: str, at: int, end: int) -> bool:
    """Whether a backslash, itself held by none, stands before the end of a line of text."""
    line = script[at:end]
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _addresses(script: str, at: int) -> int:
    """Past the addresses of a command, and the `!` behind them."""
    for _ in range(2):
        match = _ADDRESS.match(script, at)
        if match is None:
            break
        at = match.end()
        if match[1] or match[2]:
            at = _skip(script, _past(script, at, match[1] or match[2], sets=True), "IM")
        at = _skip(script, at, " \t")
        if script[at : at + 1] != ",":
            break
        at += 1
    return _skip(script, at, "! \t")


def _substitute(script: str, at: int, found: Effects) -> int:
    mark = script[at : at + 1]
    at = _past(script, _past(script, at + 1, mark, sets=True), mark)
    while at < len(script) and script[at] not in ";\n}#":
        flag, at = script[at], at + 1
        if flag == "w":
            end = _line_end(script, at)
            found.writes.append(script[at:end].strip(" \t"))
            return end
        if flag == "e":
            found.runs.append(None)
        elif flag not in "gpiImM0123456789 \t":
            raise _Unread
    return at


def _past(script: str, at: int, mark: str, *, sets: bool = False) -> int:
    """The place behind the next mark that no backslash holds, nor, in a pattern, a set."""
    if mark in ("", "\n", "\\"):
        raise _Unread
    while at < len(script) and script[at] != mark:
        opened = sets and script[at] == "["
        at = _past_set(script, at + 1) if opened else at + (2 if script[at] == "\\" else 1)
    if at >= len(script):
        raise _Unread
    return at + 1


_SET = re.compile(r"\^?\]?(?:\[[:.=].{0,64}?[:.=]\]|[^\]])*\]", re.S)


def _past_set(script: str, at: int) -> int:
    """The place behind a set such as `[^]a-z[:digit:]/]`."""
    match = _SET.match(script, at)
    if match is None:
        raise _Unread
    return match.end()


def _line_end(script: str, at: int) -> int:
    end = script.find("\n", at)
    return len(script) if end < 0 else end


def _skip(script: str, at: int, characters: str) -> int:
    while at < len(script) and script[at] in characters:
        at += 1
    return at
