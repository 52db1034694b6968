"""Statements that the parser takes whole, judged by their first words; and what hides statements.

Strings and comments are taken out first, so that a word inside them counts for nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from ..reading import APPROVE, DELETE, EXECUTE, READ, WRITE, Notes

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMANDS: tuple[tuple[str, str, str], ...] = (
    (
        r"(?:create\s+(?:or\s+replace\s+)?|alter\s+)(?:user|role|login|group)\b"
        r"|grant\b|reassign\s+owned|alter\s+default\s+privileges|security\s+label",
        APPROVE,
        "sql-grant",
    ),
    (r"revoke\b|deny\b", APPROVE, "sql-revoke"),
    (r"drop\b", DELETE, "sql-drop"),
    (r"truncate\b", DELETE, "sql-truncate"),
    (
        r"create\s+(?:extension|server|foreign|language|event|subscription|publication|tablespace"
        r"|trusted|untrusted)|alter\s+(?:system|extension|server|subscription|event)\b"
        r"|reset\s+(?:master|slave|all)|change\s+(?:master|replication)|import\s+foreign"
        r"|shutdown\b|kill\b|flush\b|install\b|uninstall\b|attach\b|detach\b|backup\b|restore\b",
        EXECUTE,
        "sql-server",
    ),
    (r"load\s+(?:data|xml)\b", WRITE, "sql-file-read"),
    (r"load\b", EXECUTE, "sql-server"),
    (r"do\b|execute\b|exec\b|prepare\b", EXECUTE, "sql-hidden"),
    (
        r"set\s+(?:role|password|session\s+authorization|global|persist|@@global)",
        APPROVE,
        "sql-server",
    ),
    (r"alter\b|rename\b", WRITE, "sql-alter"),
    (r"delete\b", DELETE, ""),
    (
        r"create\b|insert\b|update\b|replace\b|merge\b|copy\b|comment\b|refresh\b|reindex\b"
        r"|vacuum\b|cluster\b|analyze\b|optimize\b|lock\b|unlock\b|notify\b|checkpoint\b|repair\b",
        WRITE,
        "",
    ),
    (
        r"show\b|describe\b|desc\b|explain\b|select\b|table\b|values\b|fetch\b|declare\b|close\b"
        r"|listen\b|unlisten\b|help\b|begin\b|commit\b|rollback\b|end\b|savepoint\b|release\b"
        r"|start\b|set\b|reset\b|use\b|discard\b|deallocate\b",
        READ,
        "",
    ),
    (r"call\b", EXECUTE, ""),
)
"""How statements begin, what they do, and their danger; the first row that fits holds."""

_TABLE = [(re2.compile("(?i)" + pattern), acts, danger) for pattern, acts, danger in _COMMANDS]
_UNREAD = frozenset(("do", "execute", "exec", "prepare", "call"))

_TOUCHING = re2.compile(
    r"(?i)(?:grant|revoke|drop|truncate|alter|rename|delete|create|insert|update|replace|merge|copy"
    r"|comment|refresh|reindex|vacuum|cluster|analyze|optimize|lock|repair|select|table|values)\s+(\S+)"
)
_NO_TABLES = frozenset(
    """user role login group extension database tablespace system sequence type""".split()  # noqa: SIM905
)
_VACUUM = r"vacuum(?:\s+(?:full|freeze|verbose|analyze))*"
_SUBJECT = re2.compile(
    rf"(?i)(?:lock(?:\s+table)?|{_VACUUM}|reindex\s+table|cluster|optimize\s+table"
    r"|refresh\s+materialized\s+view(?:\s+concurrently)?)"
    r"\s+((?:\w+\.)?\w+)(?:\s+in\s+[a-z ]+\s+mode)?(?:\s+nowait)?\s*;?"
)
"""Maintenance of one table, whose name is group 1."""
_ALL_TABLES = re2.compile(rf"(?i){_VACUUM}\s*;?")

_ANYWHERE = tuple(
    (re2.compile("(?is)" + pattern), danger, acts)
    for pattern, danger, acts in (
        (r"\binto\s+(?:out|dump)file\b", "sql-file-write", WRITE),
        (
            r"\bload\s+data\b|\bload_file\s*\(|\bpg_read_(?:binary_)?file\s*\(",
            "sql-file-read",
            READ,
        ),
        (
            r"\bxp_\w+|\bsp_(?:configure|oacreate|addsrvrolemember|executesql)\b"
            r"|\b(?:to|from)\s+program\b",
            "sql-run-program",
            EXECUTE,
        ),
        (r"\bwaitfor\s+delay\b", "sql-injection", READ),
        (
            r"\bunion\b.*\bselect\b.*\b(?:information_schema|pg_catalog|sqlite_master)\b",
            "sql-injection",
            READ,
        ),
    )
)
_TRUE = re.compile(r"\bor\s+(['\"]?\w{0,32}['\"]?)\s{0,8}=\s{0,8}\1(?:\W|$)", re.I)
_STACKED = re2.compile(
    r"(?i);\s*(drop|delete|truncate|alter|grant|insert|update|exec\w*|shutdown)\b"
)

_OPENING = re.compile(r"'|\"|--|/\*|\$(?:[A-Za-z_]\w{0,62})?\$")
_CONDITIONAL = re.compile(r"/\*M?![0-9]*")
_ESCAPED_NAME = re.compile(r"\bU&['\"]", re.IGNORECASE)
_DOLLARS_MAX = 64
"""Most dollar quotes looked for in vain; each look scans to the end of the text."""


def _quoted(text: str) -> Iterator[tuple[str, int, int]]:
    """Strings and comments: their opening, where they begin, and where they end."""
    at = 0
    vain = 0
    while found := _OPENING.search(text, at):
        opening = found[0]
        start, inside = found.span()
        closing = {"--": "\n", "/*": "*/"}.get(opening, opening)
        if opening.startswith("$") and vain >= _DOLLARS_MAX:
            at = inside
            continue
        end = text.find(closing, inside)
        if end < 0 and opening.startswith("$"):
            vain += 1
            at = inside
            continue
        at = len(text) if end < 0 else end + len(closing)
        yield opening, start, at


def plain(text: str) -> str:
    """The text without strings and comments; what conditional comments run stays."""
    out: list[str] = []
    done = 0
    for _opening, start, end in _quoted(text):
        out.append(text[done:start])
        conditional = _CONDITIONAL.match(text, start)
        out.append(text[conditional.end() : end - 2] if conditional else " '' ")
        done = end
    out.append(text[done:])
    return "".join(out)


def hidden(text: str, notes: Notes) -> str:
    """Notes comments that hide; returns the text as a server that runs what conditional comments
    hold (MySQL's `/*! … */`) would read it.
    """
    if _ESCAPED_NAME.search(text):
        notes.doubts("it spells names in escapes (`U&`)")
    if "/*" not in text:
        return text
    if _CONDITIONAL.search(text):
        notes.threatens("sql-hidden")
        notes.doubts("a comment is a statement for some servers only")
    out: list[str] = []
    done = 0
    for opening, start, end in _quoted(text):
        if opening != "/*":
            continue
        if found := _CONDITIONAL.match(text, start):
            out += text[done:start], " ", text[found.end() : end - 2], " "
            done = end
        elif text[start - 1 : start].isalnum() and text[end : end + 1].isalnum():
            notes.threatens("sql-hidden")
    return "".join((*out, text[done:]))


_MEANING = re.compile(
    r"\b(?:search_path|schema|role|session[_\s]+authorization|standard_conforming_strings"
    r"|backslash_quote|client_encoding|names|character[_\s]+set\w*|sql_mode|ansi_quotes)\b",
    re.IGNORECASE,
)
_USUAL = re.compile(
    r"""\s*set\s+(?:(?:session|local)\s+)?(?:(?:names|client_encoding|character\s+set)(?:\s+to|\s*=)?"""
    r"""\s*['"]?(?:utf-?8(?:mb[34])?|unicode)|standard_conforming_strings(?:\s+to|\s*=)\s*['"]?on)"""
    r"""['"]?\s*;?\s*""",
    re.IGNORECASE,
)
"""What drivers send to have it as Aegis reads it."""


def meaning(text: str, notes: Notes) -> None:
    """Notes a setting after which statements mean something else, or somebody else runs them:
    schemas (PostgreSQL, 5.10.3), quotes and escapes, encodings, roles; MySQL's SQL modes.
    """
    if _MEANING.search(text) and not _USUAL.fullmatch(text):
        notes.does(EXECUTE)
        notes.threatens("sql-session")


def subject(text: str) -> str:
    """The one table that a statement without a tree touches; empty where there may be others."""
    words = plain(text).strip()
    found = None if _ALL_TABLES.fullmatch(words) else _SUBJECT.fullmatch(words)
    return str(found[1]) if found else ""


def command(text: str, notes: Notes) -> None:
    """Notes what a statement that has no tree would do; which tables it touches is not known."""
    words = plain(text).strip().lstrip("( ")
    for pattern, acts, danger in _TABLE:
        if pattern.match(words):
            notes.does(acts)
            if danger:
                notes.threatens(danger)
            break
    else:
        notes.does(EXECUTE)
        notes.doubts("a statement is not understood")
    touching = None if _ALL_TABLES.fullmatch(words) else _TOUCHING.match(words)
    if touching and touching[1].lower() not in _NO_TABLES and not subject(text):
        notes.doubts("which tables a statement touches is not read")
    first = re.match(r"\w+", words)
    if first and first[0].lower() == "set":
        meaning(text, notes)
    if first and first[0].lower() in _UNREAD:
        notes.doubts("a statement runs another one that is not read")
    anywhere(text, notes)


def anywhere(text: str, notes: Notes) -> None:
    """Notes what is a danger wherever it stands."""
    words = plain(text)
    for pattern, danger, acts in _ANYWHERE:
        if pattern.search(words):
            notes.does(acts)
            notes.threatens(danger)
    if _TRUE.search(text):
        notes.threatens("sql-injection")


def unparsed(text: str, notes: Notes) -> None:
    """Notes what can be seen in a text that no dialect reads; it stays undecided."""
    anywhere(text, notes)
    for match in _STACKED.finditer(text):
        command(match[1] + " " + text[match.end() : match.end() + 64].partition(";")[0], notes)
    for statement in plain(text).split(";"):
        if statement.strip():
            command(statement, notes)
    notes.doubts("it is not a statement of PostgreSQL, MySQL or SQLite")
