"""Programs that run a line or words in a way of their own: `su -c`, `parallel :::`.

Each gives the words that run, so that they are judged like any command; those of a line are given
to a shell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .call import parsed
from .quoting import HOLE
from .script import Word

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call import Parsed

_SHELL = Word("sh"), Word("-c")

_SU = frozenset(
    """c command session-command g group G supp-group s shell u user w whitelist-environment T
    timeout B O I o m E""".split()  # noqa: SIM905
)
_TMUX = frozenset("s n c t x y F e".split())  # noqa: SIM905
_PARALLEL = frozenset(
    """j jobs P max-procs I replace U a arg-file N max-args n max-replace-args L max-lines colsep C
    delay joblog results timeout retries S sshlogin slf sshloginfile wd workdir tmpdir halt d
    tag-string memfree load nice recstart recend block s max-chars E basefile return env
    shebang-wrap delimiter arg-sep arg-file-sep""".split()  # noqa: SIM905
)


_PLAIN = re.compile(r"[\w./{}:,=+%@~#-]+")
_PART = re.compile(r"\{[+-]?\d*(?:\.|/|//|/\.|#|%)?\}")


def _line(words: list[Word]) -> list[Word]:
    """A shell that runs words joined."""
    sources = tuple(source for word in words for source in word.sources)
    return [*_SHELL, Word(" ".join(word.text for word in words), sources)] if words else []


def _behind(args: list[Word], word: Word) -> list[Word]:
    """The arguments behind one of them."""
    rest = args[next(at for at, each in enumerate(args) if each is word) + 1 :]
    return rest[1:] if rest and rest[0].text == "--" else rest


def _given(found: Parsed) -> list[Word]:
    """The line that is given as a command, as of su(1)."""
    lines = found.of("c", "command", "session-command")
    return [*_SHELL, lines[-1]] if lines else []


def _su(args: list[Word]) -> list[Word]:
    """`su -c LINE`, `su USER -- ARGUMENTS` (of its shell), `runuser -u USER COMMAND`."""
    found = parsed(args, _SU)
    operands = [word for word in found.operands if word.text != "-"]
    if found.of("u", "user") and operands:
        return [operands[0], *_behind(args, operands[0])]
    given = _given(found)
    if given or len(operands) < 2:
        return given
    return [Word("sh"), *_behind(args, operands[0])]


def _script(args: list[Word]) -> list[Word]:
    """`script -c LINE`, and `script FILE COMMAND` as on BSD and macOS."""
    found = parsed(args, _SU)
    return _given(found) or (_behind(args, found.operands[0]) if found.operands else [])


def _sg(args: list[Word]) -> list[Word]:
    """`sg GROUP -c LINE`, `sg GROUP LINE`."""
    found = parsed(args, frozenset(("c", "command")))
    return _given(found) or _line(found.operands[1:])


def _capsh(args: list[Word]) -> list[Word]:
    """`capsh -- ARGUMENTS` of a shell."""
    place = next((at for at, word in enumerate(args) if word.text in ("--", "==")), len(args))
    return [Word("sh"), *args[place + 1 :]] if args[place + 1 :] else []


def _tmux(args: list[Word]) -> list[Word]:
    """`tmux new-session LINE` and its like."""
    return _line(parsed(args, _TMUX).operands[1:])


def _parallel(args: list[Word]) -> list[Word]:
    """`parallel LINE ::: ARGUMENTS`: words joined to a line; without any, each argument is one."""
    place = next((at for at, word in enumerate(args) if word.text.startswith(":::")), len(args))
    command, given = args[:place], args[place + 1 :]
    found = parsed(command, _PARALLEL)
    if found.operands:
        first = found.operands[0]
        words = [first, *_behind(command, first)]
        value = " ".join(word.text for word in given) or HOLE
        if not any("{" in word.text for word in words):
            words.append(Word("{}"))
        filled = [Word(_filled(word.text, value), word.sources) for word in words]
        plain = all(_PLAIN.fullmatch(word.text) for word in words)
        return filled if plain and len(given) < 2 else _line(filled)
    lines = [word for word in given if not word.text.startswith(":::")]
    return [*_SHELL, Word("\n".join(word.text for word in lines) or HOLE)]


def _filled(text: str, value: str) -> str:
    """A word of a template: `{}` is an argument, `{.}`, `{2}` and the like a part of one."""
    return _PART.sub(HOLE, text.replace("{}", value))


def _watch(args: list[Word]) -> list[Word]:
    """`watch LINE`."""
    found = parsed(args, frozenset(("n", "interval", "q", "equexit")))
    return _line([found.operands[0], *_behind(args, found.operands[0])]) if found.operands else []


FORWARDS: dict[str, Callable[[list[Word]], list[Word]]] = {
    "su": _su,
    "runuser": _su,
    "script": _script,
    "sg": _sg,
    "capsh": _capsh,
    "tmux": _tmux,
    "parallel": _parallel,
    "sem": _parallel,
    "watch": _watch,
}
"""Name → the words that run, nothing where none are given."""
