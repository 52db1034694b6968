"""Programs that run other programs: what stands behind `sudo`, `env`, `xargs`, `timeout`, ….

Each wrapper is a row: the options that take a value, and how many words of its own come before
the command it runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .quoting import HOLE
from .script import Word

WRAPPED_MAX = 16
"""Most wrappers around one command."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How one wrapper is written."""

    valued: frozenset[str] = frozenset()
    leading: int = 0
    assignments: bool = False


def _row(valued: str = "", leading: int = 0, *, assignments: bool = False) -> Wrapper:
    return Wrapper(frozenset(valued.split()), leading, assignments)


WRAPPERS: dict[str, Wrapper] = {
    "sudo": _row(
        "-u --user -g --group -h --host -p --prompt -C --close-from -r --role -t --type -T "
        "--command-timeout -U --other-user -D --chdir -R --chroot",
        assignments=True,
    ),
    "doas": _row("-u -C"),
    "pkexec": _row("--user"),
    "gosu": _row(leading=1),
    "su-exec": _row(leading=1),
    "run0": _row("-u --user -D --chdir"),
    "env": _row("-u --unset -C --chdir", assignments=True),
    "nohup": _row(),
    "setsid": _row(),
    "nice": _row("-n --adjustment"),
    "ionice": _row("-c --class -n --classdata -p --pid"),
    "chrt": _row("-p --pid", 1),
    "taskset": _row(leading=1),
    "!": _row(),
    "time": _row("-f --format -o --output"),
    "timeout": _row("-s --signal -k --kill-after", 1),
    "gtimeout": _row("-s --signal -k --kill-after", 1),
    "stdbuf": _row("-i --input -o --output -e --error"),
    "unbuffer": _row(),
    "command": _row(),
    "builtin": _row(),
    "exec": _row("-a"),
    "chronic": _row(),
    "caffeinate": _row("-t -w"),
    "xargs": _row(
        "-a --arg-file -d --delimiter -E -I -L --max-lines -n --max-args -P --max-procs -s "
        "--max-chars --replace"
    ),
    "parallel": _row("-j --jobs -I -a --arg-file -N -n --colsep --delay --joblog --results"),
    "watch": _row("-n --interval"),
    "strace": _row(
        "-a -b -e -E -I -o -O -p -P -s -S -u -U -X --output --trace --attach --user --env "
        "--string-limit --columns --trace-path --abbrev --verbose --raw --read --write --fault "
        "--inject --signal --status --detach-on --interruptible --const-print-style"
    ),
    "ltrace": _row("-a -D -e -F -l -n -o -p -s -u -x -X --output --align --library --config"),
    "flock": _row("-w --timeout -E --conflict-exit-code", 1),
    "chroot": _row("--userspec --groups", 1),
    "unshare": _row("-S --setuid -G --setgid -w --wd"),
    "nsenter": _row("-t --target -S --setuid -G --setgid"),
    "systemd-run": _row("-u --unit -p --property -M --machine --slice", assignments=True),
    "systemd-inhibit": _row("--what --who --why --mode"),
    "fakeroot": _row("-l --lib -s -i -f --faked -b"),
    "busybox": _row(),
    "toybox": _row(),
    "proxychains": _row("-f"),
    "proxychains4": _row("-f"),
    "torsocks": _row(),
    "dbus-run-session": _row(),
    "xvfb-run": _row("-n -s -e"),
    "rlwrap": _row(),
    "entr": _row(),
    "coproc": _row(),
    "screen": _row("-S -t -c -p -T -h -s -e"),
    "dotenv": _row("-f --file"),
    "direnv": _row(leading=2),
    "op": _row(),
    "uv": _row("--with --python -p --project --directory --env-file --extra --group"),
    "poetry": _row("-C --directory -P --project"),
    "pipenv": _row(),
    "bundle": _row(),
    "hatch": _row(),
}
"""Name → how it is written."""

WRITES = {
    "strace": ("o", "output"),
    "ltrace": ("o", "output"),
    "time": ("o", "output"),
    "parallel": ("joblog", "results"),
}
"""Wrappers that write a file of their own, and the options that name it."""

_RUN_VERB = {
    "uv": "run",
    "poetry": "run",
    "pipenv": "run",
    "bundle": "exec",
    "hatch": "run",
    "op": "run",
}
"""Wrappers that wrap only behind a verb of their own."""


def inner(name: str, args: list[Word]) -> list[Word] | None:
    """The words of the command a wrapper runs; None where it wraps nothing here.

    `command -v` asks for a name and runs nothing.
    """
    wrapper = WRAPPERS.get(name)
    if wrapper is None:
        return None
    verb = _RUN_VERB.get(name)
    if verb is not None:
        place = next((n for n, word in enumerate(args) if not word.text.startswith("-")), -1)
        if place < 0 or args[place].text != verb:
            return None
        args = args[place + 1 :]
    if name == "command" and args and args[0].text in ("-v", "-V"):
        return None
    return _behind(wrapper, args, name)


def _behind(wrapper: Wrapper, args: list[Word], name: str) -> list[Word]:
    leading = wrapper.leading
    at = 0
    while at < len(args):
        text = args[at].text
        if text == "--":
            at += 1
        elif len(text) > 1 and text[0] == "-":
            if name == "env" and text.startswith(("-S", "--split-string")):
                return _split_string(text, args[at + 1 :])
            if name == "env" and _HIDES_LINE.match(text):
                return [Word(HOLE), *args[at + 1 :]]
            at += 2 if _takes_next(text, wrapper.valued) else 1
        elif wrapper.assignments and _assignment(text):
            at += 1
        elif leading:
            leading -= 1
            at += 1
        else:
            return args[at:]
    return []


_HIDES_LINE = re.compile(r"-[a-zA-Z0]*S|--s")
"""A bundle or an abbreviation of `env` that ends in `-S`: it is not read apart."""


def _takes_next(text: str, valued: frozenset[str]) -> bool:
    """Whether an option, or the last of several short ones in a word, takes the next word."""
    if text in valued:
        return True
    if text.startswith("--"):
        # an abbreviation of one takes a value as well (getopt_long(3))
        return "=" not in text and any(each.startswith(text) for each in valued)
    place = next((at for at, letter in enumerate(text[1:], 1) if "-" + letter in valued), 0)
    return place == len(text) - 1


def assignments(args: list[Word]) -> list[tuple[str, Word]]:
    """The `NAME=value` words before the command of `env` or `sudo`."""
    found = []
    for word in args:
        if _assignment(word.text):
            name, _, value = word.text.partition("=")
            found.append((name, Word(value, word.sources)))
        elif not word.text.startswith("-"):
            break
    return found


def _assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.replace("_", "a").isalnum() and not name[0].isdigit()


def _split_string(text: str, rest: list[Word]) -> list[Word]:
    """What `env -S 'a b'` runs; it has quotes of its own, so a quoted one stays unknown."""
    joined = text[2:] if text.startswith("-S") else text.partition("=")[2]
    if not joined and rest:
        joined, rest = rest[0].text, rest[1:]
    if any(char in joined for char in "\"'\\$#"):
        return [Word(HOLE), *rest]
    words = [Word(part) for part in joined.split()]
    while words and _assignment(words[0].text):
        words.pop(0)
    return [*words, *rest]
