"""What a program of awk writes and runs, by the grammar of POSIX awk and what gawk adds to it."""

from __future__ import annotations

import re

import msgspec

PROGRAM_MAX = 16_384
"""Longest program that is read, in characters; those on a command line are far shorter."""

OPERAND_MAX = 64
"""Most tokens of what `getline` reads into; a field or an element of an array is a few."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\\\r?\n|\#[^\n]*)|(?P<line>\n)|(?P<word>@?[A-Za-z_]\w*(?:::\w+)?)"""
    r"""|(?P<number>\d[\w.]*|\.\d\w*)|(?P<sign>\|\||\|&|&&|>>|>=|<=|==|!=|!~|\+\+|--|[-+*/%^]=|.)""",
    re.S,
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"', re.S)
_PATTERN = re.compile(
    r"/(?:\[\^?\]?(?:\[[:.=][^\n]{0,64}?[:.=]\]|\\.|[^\]\\\n])*\]|[^/\\\[\n]|\\.)*/", re.S
)
_VALUE_ENDS = frozenset((")", "]", "$", "++", "--"))


class Effects(msgspec.Struct):
    """The files a program reads and writes and the commands it runs; `None` stands for a name that
    only running it would tell. `unread` says why it could not be read.
    """

    reads: list[str | None] = []
    writes: list[str | None] = []
    runs: list[str | None] = []
    unread: str = ""


class _Token(msgspec.Struct, frozen=True, gc=False):
    kind: str
    text: str


def effects(program: str) -> Effects:
    """What a program does besides reading and printing."""
    found = Effects()
    tokens = _tokens(program) if len(program) <= PROGRAM_MAX else None
    if tokens is None:
        found.unread = "a program of awk cannot be read to its end"
        return found
    for at, token in enumerate(tokens):
        if token.kind == "string" and "/inet" in token.text:
            found.runs.append(None)
        elif token.kind == "word" and (token.text == "system" or token.text.startswith("@")):
            found.runs.append(_only(tokens[at + 1 : at + 4], "("))
        elif token.kind == "word" and token.text == "ARGV":
            found.reads.append(None)
        elif token.kind == "word" and token.text == "getline":
            found.reads += _opened(tokens[at + 1 : at + OPERAND_MAX])
        elif token.kind == "sign" and token.text in ("|", "|&"):
            found.runs.append(_piped(tokens, at))
        elif token.kind == "word" and token.text in ("print", "printf"):
            _printed(tokens, at + 1, found)
    return found


def _tokens(program: str) -> list[_Token] | None:
    """The tokens of a program; None where a string or a pattern does not end."""
    out: list[_Token] = []
    at = 0
    while at < len(program):
        char = program[at]
        literal = _STRING if char == '"' else _PATTERN if char == "/" and _operand(out) else None
        if literal is not None:
            match = literal.match(program, at)
            if match is None:
                return None
            text = match[1] if char == '"' else ""
            out.append(_Token("string" if char == '"' else "pattern", text))
        else:
            match = _TOKEN.match(program, at)
            if match is None:
                return None
            if match.lastgroup != "space":
                out.append(_Token(str(match.lastgroup), match[0]))
        at = match.end()
    return out


def _operand(before: list[_Token]) -> bool:
    """Whether a pattern may begin here, where a division may not."""
    if not before:
        return True
    last = before[-1]
    if last.text == ")" and last.kind == "sign":
        return _condition(before)
    if last.kind == "word":
        return last.text in ("print", "printf", "return", "in", "case", "do", "else", "getline")
    return last.kind in ("line", "sign") and last.text not in _VALUE_ENDS


def _condition(before: list[_Token]) -> bool:
    """Whether the parenthesis that ends here is that of `if`, `while` or `for`, which a statement
    follows, and not of an expression.
    """
    depth = 0
    for place in range(len(before) - 1, -1, -1):
        if before[place].kind == "sign":
            depth += (before[place].text == ")") - (before[place].text == "(")
        if depth == 0:
            return place > 0 and before[place - 1].text in ("if", "while", "for", "switch")
    return False


def _printed(tokens: list[_Token], at: int, found: Effects) -> None:
    """Notes where a print goes: `>` compares inside parentheses, and writes outside of them."""
    depth = 0
    for place in range(at, len(tokens)):
        token = tokens[place]
        if token.text in ("(", "["):
            depth += token.kind == "sign"
        elif token.text in (")", "]") and token.kind == "sign":
            depth -= 1
        elif _ends(tokens, place) and depth <= 0:
            return
        elif token.text in (">", ">>") and token.kind == "sign" and depth <= 0:
            found.writes.append(_only(tokens[place + 1 : place + 3], ""))
            return


def _ends(tokens: list[_Token], place: int) -> bool:
    token = tokens[place]
    if token.kind == "line":
        return tokens[place - 1].text not in (",", "&&", "||", "{")
    return token.kind == "sign" and token.text in (";", "}")


def _piped(tokens: list[_Token], at: int) -> str | None:
    """The command at a pipe: before `| getline`, behind it otherwise."""
    if tokens[at + 1 : at + 2] and tokens[at + 1].text == "getline":
        before = tokens[at - 2 : at] if at > 1 else tokens[:at]
        alone = len(before) < 2 or before[0].text in ("{", ";", "(", "\n", "while")
        return _plain(before[-1]) if before and alone else None
    return _only(tokens[at + 1 : at + 3], "")


def _opened(tokens: list[_Token]) -> list[str | None]:
    """The file behind `getline <` or `getline variable <`, where there is one."""
    depth = 0
    for place, token in enumerate(tokens):
        sign = token.text if token.kind == "sign" else ""
        depth += (sign in ("[", "(")) - (sign in ("]", ")"))
        if sign == "<" and depth == 0:
            return [_only(tokens[place + 1 : place + 3], "")]
        if depth < 0 or (depth == 0 and (sign in _LVALUE_ENDS or token.kind == "line")):
            return []
    return []


_LVALUE_ENDS = frozenset(";}{,|&?:") | {"||", "&&"}


def _only(tokens: list[_Token], opening: str) -> str | None:
    """The text of a string that stands alone, behind `opening`; None for anything computed."""
    if opening:
        if not tokens or tokens[0].text != opening:
            return None
        tokens = tokens[1:]
    if not tokens or (len(tokens) > 1 and tokens[1].text not in (";", "}", "\n", ")")):
        return None
    return _plain(tokens[0])


def _plain(token: _Token) -> str | None:
    return token.text if token.kind == "string" and "\\" not in token.text else None
