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
    "env": _row("-u --unset -C --chdir -a --argv0", assignments=True),
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
    "strace": _row(
        "-a -b -e -E -I -o -O -p -P -s -S -u -U -X --output --trace --attach --user --env "
        "--string-limit --columns --trace-path --abbrev --verbose --raw --read --write --fault "
        "--inject --signal --status --detach-on --interruptible --const-print-style"
    ),
    "ltrace": _row("-a -D -e -F -l -n -o -p -s -u -x -X --output --align --library --config"),
    "chroot": _row("--userspec --groups", 1),
    "unshare": _row(
        "-S --setuid -G --setgid -R --root -w --wd --map-user --map-group --map-users --map-groups "
        "--propagation --setgroups --monotonic --boottime"
    ),
    "nsenter": _row("-t --target -S --setuid -G --setgid -N --net-socket -W --wdns"),
    "systemd-run": _row("-u --unit -p --property -M --machine --slice", assignments=True),
    "systemd-inhibit": _row("--what --who --why --mode"),
    "newgrp": _row(leading=1),
    "flock": _row("-w --wait --timeout -E --conflict-exit-code", 1),
    "setpriv": _row(
        "--groups --inh-caps --ambient-caps --bounding-set --ruid --euid --rgid --egid --reuid "
        "--regid --securebits --pdeathsig --ptracer --selinux-label --apparmor-profile "
        "--landlock-access --landlock-rule --seccomp-filter"
    ),
    "prlimit": _row("-p --pid -o --output"),
    "choom": _row("-n --adjust -p --pid"),
    "uclampset": _row("-m -M -p --pid"),
    "setarch": _row(leading=1),
    "linux32": _row(),
    "linux64": _row(),
    "i386": _row(),
    "x86_64": _row(),
    "numactl": _row(
        "-i --interleave -m --membind -p --preferred -N --cpunodebind -C --physcpubind"
    ),
    "cgexec": _row("-g"),
    "cpulimit": _row("-l --limit -e --exe -P --path -p --pid"),
    "chpst": _row("-u -U -b -e -/ -n -l -L -m -d -o -p -f -c"),
    "setuidgid": _row(leading=1),
    "s6-setuidgid": _row(leading=1),
    "softlimit": _row("-a -c -d -f -l -m -o -p -r -s -t"),
    "tini": _row("-p -e"),
    "dumb-init": _row("-r --rewrite"),
    "catatonit": _row(),
    "firejail": _row(),
    "faketime": _row("-p -m", 1),
    "trickle": _row("-d -u -w -t -l -L -n"),
    "torify": _row(),
    "tsocks": _row(),
    "sshpass": _row("-p -f -d -P"),
    "ssh-agent": _row("-a -E -O -P -t"),
    "dbus-launch": _row("--autolaunch"),
    "valgrind": _row(),
    "catchsegv": _row(),
    "fakechroot": _row("-d -e -c -b"),
    "perf": _row("-e --event -p --pid -t --tid -o --output -F --freq -c --count -C --cpu -r -I"),
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
    "npm": _row("-w --workspace --package -p -C --prefix"),
    "pnpm": _row("-C --dir -F --filter --package"),
    "yarn": _row("--cwd"),
    "pipx": _row("--spec --python"),
    "conda": _row("-n --name -p --prefix --cwd"),
    "mamba": _row("-n --name -p --prefix --cwd"),
    "mise": _row("-C --cd -E --env -j --jobs"),
    "asdf": _row(),
}
"""Name → how it is written."""

WRITES = {
    "strace": ("o", "output"),
    "ltrace": ("o", "output"),
    "time": ("o", "output"),
}
"""Wrappers that write a file of their own, and the options that name it."""

_RUN_VERB = {
    **dict.fromkeys(("uv", "poetry", "pipenv", "hatch", "op", "pipx", "conda", "mamba"), ("run",)),
    **dict.fromkeys(("bundle", "asdf"), ("exec",)),
    "npm": ("exec", "x"),
    "pnpm": ("exec", "dlx"),
    "yarn": ("exec", "dlx"),
    "mise": ("exec", "x"),
    "perf": ("stat", "record", "trace"),
}
"""Wrappers that wrap only behind verbs of their own."""


def inner(name: str, args: list[Word]) -> list[Word] | None:
    """The words of the command a wrapper runs; None where it wraps nothing here.

    `command -v` asks for a name and runs nothing.
    """
    wrapper = WRAPPERS.get(name)
    if wrapper is None:
        return None
    verbs = _RUN_VERB.get(name)
    if verbs is not None:
        place = next((n for n, word in enumerate(args) if not word.text.startswith("-")), -1)
        if place < 0 or args[place].text not in verbs:
            return None
        args = args[place + 1 :]
    if name == "command" and args and args[0].text in ("-v", "-V"):
        return None
    found = _behind(wrapper, args, name)
    if name == "flock" and found and found[0].text in ("-c", "--command"):
        return [Word("sh"), Word("-c"), *found[1:2]]
    return found


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
            if name == "flock":
                break  # `-c LINE` stands behind the file
        else:
            break
    return args[at:]


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
