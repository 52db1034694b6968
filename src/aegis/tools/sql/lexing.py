"""Spells a text of PostgreSQL so that the parser cannot take its quotes for something else.

The parser shares its lexer with thirty databases: for it `$1,$` begins a quote that ends at the
next `$1,$`, and what stands between is hidden from it. Here quotes and comments end where
PostgreSQL's own lexer ends them (PostgreSQL, 4.1; `scan.l`); then all quotes are plain ones.
"""

from __future__ import annotations

import re

_LETTER = r"A-Za-z_\x80-\U0010FFFF"
_TOKEN = re.compile(
    r"(?P<line>--[^\n\r]*)"
    r"|(?P<block>/\*)"
    r"|(?P<escape>[eE]'(?P<escaped>(?:[^'\\]|\\.|'')*+)')"
    r"|(?P<string>'(?:[^']|'')*+')"
    r'|(?P<name>"(?:[^"]|"")*+")'
    rf"|(?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$)"
    rf"|(?P<word>[{_LETTER}][{_LETTER}0-9$]*)"
    r"|(?P<parameter>\$[0-9]+)"
    r"|(?P<open>['\"])",
    re.DOTALL,
)
_NESTING = re.compile(r"/\*|\*/")
_CONTINUED = re.compile(r"(?:\s|--[^\n\r]*+)*+'")
"""A quote that goes on: behind white space with a line end, in which comments count as white."""

_ODD = re.compile(r"[$\\]|/\*|--")
"""What makes the spelling matter; a text without any is read alike by both. `#--` is an operator
and a comment for PostgreSQL, and two operators for the parser."""


class Unclosed(Exception):
    """A quote or comment that does not end, or that ends otherwise than it looks."""


def spelled(text: str) -> str:
    """The text with plain quotes, without comments. Raises Unclosed."""
    if _ODD.search(text) is None:
        return text
    out: list[str] = []
    at = 0
    while found := _TOKEN.search(text, at):
        out.append(text[at : found.start()])
        at = found.end()
        kind, token = found.lastgroup, found[0]
        if kind == "line":
            out.append(" ")
        elif kind == "block":
            at = _after_comment(text, at)
            out.append(" ")
        elif kind == "escape" or kind == "escaped":
            if _CONTINUED.match(text, at):
                raise Unclosed("an escaped string goes on in the next line")
            out.append(_quoted(re.sub(r"\\(.)|''", _unescaped, found["escaped"], flags=re.DOTALL)))
        elif kind == "dollar":
            end = text.find(token, at)
            if end < 0:
                raise Unclosed("a dollar quote does not end")
            out.append(_quoted(text[at:end]))
            at = end + len(token)
        elif kind == "word":
            out.append(f'"{token.lower()}"' if "$" in token else token)
        elif kind == "parameter":
            out.append(f" {token} ")
        elif kind == "open":
            raise Unclosed("a quote does not end")
        else:
            out.append(token)
    out.append(text[at:])
    return "".join(out)


def _quoted(body: str) -> str:
    return "'" + body.replace("'", "''") + "'"


def _unescaped(found: re.Match[str]) -> str:
    return found[1] or "'"


def _after_comment(text: str, at: int) -> int:
    """Where a comment ends; they nest."""
    depth = 1
    while depth:
        found = _NESTING.search(text, at)
        if found is None:
            raise Unclosed("a comment does not end")
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at
