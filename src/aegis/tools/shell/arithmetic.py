"""Whether a line computes with a text: Bash runs `a[$(id)]` where a number is expected.

A name in an arithmetic expression is evaluated again, with every substitution in its subscripts
(Bash reference manual, 6.5). So is what `test -v`, `${!name}` and `${text:start}` are given. A
name that the line may give anything but a number makes it undecided. The source is looked at
as it is written: what is quoted may still be evaluated later.
"""

from __future__ import annotations

import re

_HINT = re.compile(r"\(\(|\$\[|\s-v\s|\blet\b|\[\[|\$\{[!#\w]*[\[:!]|\w\[|\s-\w*i")
_EXPRESSIONS = (
    re.compile(r"\$\[([^\]]*)"),
    re.compile(r"\blet\s([^;|&\n]*)"),
    re.compile(r"\[\[([^\]]*\s-(?:eq|ne|lt|le|gt|ge|v)\s[^\]]*)"),
    re.compile(r"\$\{[!#]?\w+\[([^\]]*)"),
    re.compile(r"\$\{\w+:([^-+=?}][^}]*)"),
    re.compile(r"\$\{!(\w+)"),
    re.compile(r"\b\w+\[([^\]]*)\]\+?="),
    re.compile(r"\b(?:declare|typeset|local|export|readonly)\s+-\w*i\w*\s([^;|&\n]*)"),
)
_ASSIGNED = re.compile(r"\b(\w+)(?:\[[^\]]*\])?\+?=(?!=)")
_NUMBER = re.compile(
    r"\"?(?:[-+]?\d*|\0|\$\((?:wc|nproc|seq)\b[-\w\s./<$]*\)|\$\(date \+%s\)|\$[#?]"
    r"|\$\{#\w+(?:\[[@*]\])?\})\"?(?=[\s;|&)}]|$)"
)
_GIVEN = re.compile(r"\b(?:read|mapfile|readarray|getopts|printf\s+-v)\b([^;|&\n]*)")
_DEFAULT = re.compile(r"\$\{(\w+):?=")
_LOOP = re.compile(r"\b(?:for|select)\s+(\w+)\s+in\s([^;\n]*)")
_NUMBERS = re.compile(r"(?:\d+|\{\d+\.\.\d+\}|\$\(seq[\w\s$]*\)|\s)*")
_COUNTS = re.compile(r"\$\((?:(?:wc|nproc|seq)\b[-\w\s./<$]*|date \+%s)\)")
_TESTED = re.compile(
    r"\s-(?:eq|ne|lt|le|gt|ge|v)\s[^;&|\n]*?(?:\w\[[^;\n]*?(?:\$\(|`)|\$')"
    r"|\[\[\s[^;\n]*?\w\[[^;\n]*?(?:\$\(|`)[^;\n]*?\s-(?:eq|ne|lt|le|gt|ge)\s",
    re.S,
)
_NAME = re.compile(r"[A-Za-z_]\w*")


def computes_with_text(source: str) -> bool:
    """Whether an expression of the line uses a name that may hold more than a number."""
    if not _HINT.search(source):
        return False
    expressions, rest = _apart(source)
    inside = _COUNTS.sub("", " ".join(expressions)).replace("$((", "")
    if "$(" in inside or "`" in inside or _TESTED.search(source):
        return True
    used = set(_NAME.findall(" ".join(expressions)))
    for pattern in _EXPRESSIONS:
        for text in pattern.findall(rest):
            used.update(_NAME.findall(text))
    return bool(used) and not used.isdisjoint(_texts(rest))


def _texts(rest: str) -> set[str]:
    """The names that are given something else than a number."""
    names = {m[1] for m in _ASSIGNED.finditer(rest) if not _NUMBER.match(rest, m.end())}
    for text in _GIVEN.findall(rest):
        names.update(_NAME.findall(text))
    names.update(_DEFAULT.findall(rest))
    return names | {name for name, values in _LOOP.findall(rest) if not _NUMBERS.fullmatch(values)}


def _apart(source: str) -> tuple[list[str], str]:
    """What stands in `((…))`, and the line with a hole for each."""
    expressions: list[str] = []
    rest: list[str] = []
    done = depth = begin = 0
    for match in re.finditer(r"\(\(|[()]", source) if "((" in source else ():
        if not depth and match[0] != "((":
            continue
        if not depth:
            begin = match.start()
            rest.append(source[done:begin].removesuffix("$") + "\0")
        depth += match[0].count("(") - match[0].count(")")
        if not depth:
            done = match.end()
            expressions.append(source[begin:done])
    if depth:
        return [*expressions, source[begin:]], "".join(rest)
    return expressions, "".join(rest) + source[done:]
