"""Built-ins of the shell that state something, unless an argument makes them run code.

Bash evaluates subscripts in the names that `read`, `printf -v`, `test -v` and their like are
given, with every command substitution in them. Quotes keep them from the first reading only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .call import Call

LOADS = re.compile(
    r"(?:LD_(?:PRELOAD|LIBRARY_PATH|AUDIT)|DYLD_\w+|ENV|PROMPT_COMMAND|PYTHONSTARTUP"
    r"|PYTHONPATH|PERL5OPT|PERL5LIB|RUBYOPT|NODE_OPTIONS|JAVA_TOOL_OPTIONS|GCONV_PATH|PS4"
    r"|GIT_(?:SSH|SSH_COMMAND|EXTERNAL_DIFF|PROXY_COMMAND|ASKPASS|CONFIG\w*)|LESSOPEN|LESSCLOSE"
    r"|(?:GIT_|MAN)?PAGER|(?:GIT_|GIT_SEQUENCE_)?EDITOR|VISUAL|BROWSER|BASH_(?:ENV|ALIASES|CMDS))"
    r"(?:\[.*)?$",
    re.S,
)
"""Variables that make programs run or load something."""

MOVES = re.compile(
    r"(?:HOME|XDG_\w+|GIT_(?!AUTHOR_|COMMITTER_|TERMINAL_PROMPT$|PAGER$|EDITOR$|SEQUENCE_EDITOR$)\w+)$"
)
"""Variables that say where programs find their settings, or where git writes."""

RELATIVE = re.compile(r"(?:^|:)(?![/~$]|\0|[:]|$)")
"""A folder of `PATH` that depends on the working directory."""

DECLARING = frozenset("declare typeset local export readonly".split())  # noqa: SIM905
"""Built-ins whose arguments are assignments, quoted or not."""

_NAMING = DECLARING | frozenset(
    "printf test [ [[ read let unset getopts mapfile readarray wait set".split()  # noqa: SIM905
)
_SUBSTITUTES = re.compile(r"\$\(|`|\$\{")
_SUBSCRIPT = re.compile(r"\w\[.*(?:\$\(|`|\$\{)", re.S)
_RUNNING = {
    "mapfile": r"-\w*C",
    "readarray": r"-\w*C",
    "jobs": r"-\w*x",
    "hash": r"-\w*p",
    "history": r"-\w*[aspnrw]",
    "fc": r"(?!-\w*l)",
    "curl": r"-\w*K|--conf",
    "sed": r"-[nErsuz]*f|--f",
    "sort": r"--comp",
    "bind": r"-\w*[xf]|[^-].*:",
    "complete": r"-\w*[CF]",
    "compgen": r"-\w*[CF]",
    "enable": r"-\w*f",
    "man": r"-\w*[PH]|--pager|--html",
    "npm": r"-c$|--call",
    "npx": r"-c$|--call",
    "sqlite3": r"-?-cmd|-?-init|\.",
    "git": r"-O.|--open|--upload-p|--exec|--git-d|--no-index|--contents|--work-t",
}


def evaluates(text: str) -> bool:
    """Whether a text runs a command where Bash takes it for a name or a number."""
    return _SUBSCRIPT.search(text) is not None


def note_evaluation(call: Call) -> None:
    """Marks a call undecided whose arguments are evaluated once more."""
    texts = call.texts
    naming = call.name in _NAMING and (call.name != "printf" or "".join(texts[:1]).startswith("-v"))
    if naming and any(evaluates(text) for text in texts):
        call.notes.doubts(f"`{call.name}` runs the commands in a subscript")
    passed_on = call.name == "set" or call.name in call.scene.functions
    if passed_on and any(_SUBSTITUTES.search(text) for text in texts):
        call.notes.doubts("a text that holds commands is passed on")
    pattern = _RUNNING.get(call.name)
    if pattern is not None and any(re.match(pattern, text) for text in texts or [""]):
        call.notes.doubts(f"`{call.name}` runs or keeps what it is given")
    named = call.name in ("read", "mapfile", "readarray", "printf", "getopts")
    if named and any(LOADS.match(text) or text == "PATH" for text in texts):
        call.notes.doubts("it sets a variable that decides what programs run")
