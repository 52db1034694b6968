"""Globs over names, compiled once to plain string operations where possible, else to RE2.

    *        any run of characters, also none
    ?        any one character
    **       any run of characters, separators included; `**/` also matches no folder at all,
             and a final `/**` also the folder itself (the same with `.` in dotted names)
    [a-c]    one character of a set; [!a-c] one character outside it
    {a,b}    either

`*`, `?` and sets stop at separators where the names of a protocol are paths (see `separators`).
A lone `*` or `**` matches everything, the empty name too; nothing else matches an empty name.
Patterns and values are folded (`fold.py`). There is no escape character: `[*]` is a literal star.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

from .fold import NAME_MAX, fold, fold_part

if TYPE_CHECKING:
    from collections.abc import Callable

PATTERN_MAX = 1_000
"""Longest glob in characters; longer ones are a list in disguise."""

ALTERNATIVES_MAX = 256
"""Most patterns one `{a,b}` glob may stand for; bounds the product of several braces."""

SET_MAX = 1_024
"""Most characters in one `[...]` set; a wider range is a `?`."""

DOTTED = frozenset(("mcp", "git", "http", "a2a"))
"""Protocols whose type names are paths of `.` and `/`."""

PATHS = frozenset(("mcp", "git", "http", "shell"))
"""Protocols whose targets are paths of `/`."""

# A compiled pattern is a list of tokens: a literal, or one of the wildcard marks.
_STAR, _DEEP, _ONE, _SET = "*", "**", "?", "["
_Token = tuple[str, str]
_UNRESOLVED = ("\\", "//", "./")


def separators(field: str, protocol: str) -> str:
    """The characters that `*` does not cross in a field of an action of this protocol."""
    if field == "type" and protocol in DOTTED:
        return "./"
    if field == "target" and protocol in PATHS:
        return "/"
    return ""


class GlobError(ValueError):
    """A pattern that cannot be compiled; the message says why and what to write instead."""


class Glob:
    """One compiled pattern. `matches(folded)` expects a name that `fold` returned."""

    __slots__ = ("anything", "literal", "matches", "text")

    def __init__(self, text: str, stops: str = "") -> None:
        """Compile `text`; `stops` are the characters `*` does not cross. Raises GlobError."""
        if len(text) > PATTERN_MAX:
            raise GlobError(f"pattern longer than {PATTERN_MAX} characters; split it into a list")
        alternatives = [_tokens(part.strip()) for part in spelled_out(text)]
        self.text = text
        self.anything = any(tokens == [(_DEEP, "")] for tokens in alternatives)
        self.literal = (
            alternatives[0][0][1]
            if len(alternatives) == 1 and [k for k, _ in alternatives[0]] == [""]
            else None
        )
        self.matches = _matcher(alternatives, stops, self.anything)


def spelled_out(text: str) -> list[str]:
    """The patterns a `{a,b}` pattern stands for."""
    marks = _marks(text)
    opened = next((at for at, char in marks if char == "{"), -1)
    if opened < 0:
        if any(char == "}" for _, char in marks):
            raise GlobError(f"`{text}` closes a brace that was never opened; write [}}] for it")
        return [text]
    depth, pieces, piece_start, end = 0, [], opened + 1, -1
    for at, char in marks:
        depth += (char == "{") - (char == "}")
        if at < opened or depth > 1 or (depth == 1 and char in "{}"):
            continue
        if char in ",}":
            pieces.append(text[piece_start:at])
            piece_start = at + 1
        if depth <= 0:
            end = at
            break
    if depth or end < opened:
        raise GlobError(f"the braces in `{text}` do not pair; write [{{] or [}}] for one")
    tails = spelled_out(text[end + 1 :])
    out: list[str] = []
    for piece in pieces:
        for inner in spelled_out(piece):
            out.extend(text[:opened] + inner + tail for tail in tails)
            if len(out) > ALTERNATIVES_MAX:
                raise GlobError(f"`{text[:40]}` stands for more than {ALTERNATIVES_MAX} patterns")
    return out


def _marks(text: str) -> list[tuple[int, str]]:
    """The braces and commas of a pattern that do not stand inside a `[...]` set."""
    out: list[tuple[int, str]] = []
    position = 0
    while position < len(text):
        if text[position] == "[":
            closing = text.find("]", position + 2)
            position = closing if closing > 0 else position
        elif text[position] in "{,}":
            out.append((position, text[position]))
        position += 1
    return out


def escaped(name: str) -> str:
    """A pattern that matches this very name and nothing else."""
    return "".join(f"[{char}]" if char in "*?[{}" else char for char in name)


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    literal = ""
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char not in "*?[":
            literal += char
            position += 1
            continue
        if literal:
            tokens.append(("", fold_part(literal)))
            literal = ""
        if char == "*":
            end = position
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            tokens.append((_DEEP if end - position > 1 else _STAR, ""))
            position = end
        elif char == "?":
            tokens.append((_ONE, ""))
            position += 1
        else:
            members, position = _set(pattern, position)
            tokens.append((_SET, members))
    if literal:
        tokens.append(("", fold_part(literal)))
    # names are stripped, so patterns are; a space inside stays
    if tokens and not tokens[0][0]:
        tokens[0] = ("", tokens[0][1].lstrip())
    if tokens and not tokens[-1][0]:
        tokens[-1] = ("", tokens[-1][1].rstrip())
    tokens = [token for token in tokens if token[0] or token[1]]
    if not tokens:
        raise GlobError("an empty pattern matches nothing; write `*` for anything")
    return [(_DEEP, "")] if len(tokens) == 1 and tokens[0][0] == _STAR else tokens


def _set(pattern: str, start: int) -> tuple[str, int]:
    """The folded members of a `[...]` set, `!` first for its complement, and where it ends."""
    position = start + 1
    negated = pattern[position : position + 1] in ("!", "^")
    position += negated
    end = pattern.find("]", position + 1)
    if end < 0:
        raise GlobError(f"`{pattern}` opens a set that is never closed; write [[] for a bracket")
    body, index = pattern[position:end], 0
    members: set[str] = set()
    while index < len(body):
        low = high = body[index]
        if index + 2 < len(body) and body[index + 1] == "-":
            high = body[index + 2]
            index += 2
        index += 1
        if high < low or ord(high) - ord(low) >= SET_MAX:
            raise GlobError(f"the range `{low}-{high}` in `{pattern}` is empty or too wide")
        members.update(fold_part(chr(code)) for code in range(ord(low), ord(high) + 1))
    singles = "".join(sorted(char for char in members if len(char) == 1))
    if not singles:
        raise GlobError(f"the set in `{pattern}` has no member that can be seen")
    return ("!" if negated else "=") + singles, end + 1


def _matcher(alternatives: list[list[_Token]], stops: str, anything: bool) -> Callable[[str], bool]:
    if anything:
        return _always
    literals = {tokens[0][1] for tokens in alternatives if [k for k, _ in tokens] == [""]}
    rest = [tokens for tokens in alternatives if [k for k, _ in tokens] != [""]]
    tests = [_plain(tokens, stops) or _regex(tokens, stops) for tokens in rest]
    if literals:
        tests.insert(0, frozenset(literals).__contains__)
    if len(tests) == 1:
        return tests[0]
    return lambda name: any(test(name) for test in tests)


def _always(_name: str) -> bool:
    return True


def _plain(tokens: list[_Token], stops: str) -> Callable[[str], bool] | None:
    """String operations for the patterns with a single star, which are nearly all patterns."""
    kinds = [kind for kind, _ in tokens]
    stars = [index for index, kind in enumerate(kinds) if kind in (_STAR, _DEEP)]
    if len(stars) != 1 or len(tokens) > 3 or _ONE in kinds or _SET in kinds:
        return None
    star = stars[0]
    head = tokens[star - 1][1] if star else ""
    tail = tokens[star + 1][1] if star + 1 < len(tokens) else ""
    if kinds[star] == _DEEP:
        if (head and head[-1] in "./") or (tail and tail[0] in "./"):
            return _plain_folders(head, tail)
        stops = ""
    if not stops:
        if not tail:
            return lambda name: name.startswith(head)
        if not head:
            return lambda name: name.endswith(tail)
    shortest = len(head) + len(tail)
    if len(stops) == 1 and not tail:
        start = len(head)
        return lambda name: name.startswith(head) and name.find(stops, start) < 0

    def test(name: str) -> bool:
        if not (name.startswith(head) and name.endswith(tail) and len(name) >= shortest):
            return False
        middle = name[len(head) : len(name) - len(tail)]
        return not any(stop in middle for stop in stops)

    return test


def _plain_folders(head: str, tail: str) -> Callable[[str], bool] | None:
    """`docs/**` and `**/secrets`; None for other places of `**` beside a separator."""
    if len(head) > 1 and not tail:
        folder = head[:-1]
        return lambda name: name.startswith(head) or name == folder
    if len(tail) > 1 and not head:
        rest = tail[1:]
        return lambda name: name.endswith(tail) or name == rest
    return None


def _regex(tokens: list[_Token], stops: str) -> Callable[[str], bool]:
    inside = f"[^{re2.escape(stops)}]" if stops else "."
    out: list[str] = []
    last = len(tokens) - 1
    for index, (kind, text) in enumerate(tokens):
        if kind == "":
            out.append(re2.escape(text))
        elif kind == _STAR:
            out.append(inside + "*")
        elif kind == _ONE:
            out.append(inside)
        elif kind == _SET:
            out.append(_set_regex(text, stops))
        else:
            out.append(_deep(tokens, index, last, out))
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    pattern = re2.compile("".join(out), options)
    chunks = [text.strip("./") for kind, text in tokens if kind == "" and text.strip("./")]

    def test(name: str) -> bool:
        # the literals are a cheap gate: most names miss one of them
        if not name or not all(chunk in name for chunk in chunks):
            return False
        return pattern.fullmatch(name) is not None

    return test


def _deep(tokens: list[_Token], index: int, last: int, out: list[str]) -> str:
    """`**` with the separator beside it, which goes away together with the folders."""
    before = tokens[index - 1][1] if index and tokens[index - 1][0] == "" else ""
    after = tokens[index + 1] if index < last else None
    at_start = index == 0 or before[-1:] in ("/", ".")
    if after is not None and after[0] == "" and after[1][0] in "./" and at_start:
        separator = after[1][0]
        tokens[index + 1] = ("", after[1][1:])
        return f"(?:.*{re2.escape(separator)})?"
    if index == last and before[-1:] in ("/", "."):
        separator = re2.escape(before[-1])
        out[-1] = out[-1][: -len(separator)]
        return f"(?:{separator}.*)?"
    return ".*"


def _set_regex(members: str, stops: str) -> str:
    chars = members[1:]
    if members[0] == "!":
        return "[^" + "".join(map(_in_set, chars + stops)) + "]"
    kept = "".join(_in_set(char) for char in chars if char not in stops)
    # a set of separators only, where names stop at them, can match nothing
    return f"[{kept}]" if kept else r"[^\x00-\x{10FFFF}]"


def _in_set(char: str) -> str:
    return rf"\x{{{ord(char):x}}}"


def forms(target: str) -> tuple[str, ...]:
    r"""The folded spellings one target may be read as: itself, and where they differ its path
    with `\\`, `//`, `.` and `..` resolved. A rule that permits has to match all of them, a rule
    that restricts any. Empty where the target is too long to be decided.
    """
    if len(target) > NAME_MAX:
        return ()
    name = fold(target)
    if "/" not in name and "\\" not in name:
        return (name,)
    scheme, found, path = name.partition("://")
    if not found:
        scheme, path = "", name
    if not any(mark in path for mark in _UNRESOLVED) and not path.endswith(("/.", "/..")):
        return (name,)
    kept: list[str] = []
    path = path.replace("\\", "/")
    for part in path.split("/"):
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    rooted = "/" if path.startswith("/") else ""
    if rooted:
        kept = kept[next((i for i, part in enumerate(kept) if part != ".."), len(kept)) :]
    resolved = scheme + found + rooted + "/".join(kept)
    return (name,) if resolved == name else (name, resolved)
