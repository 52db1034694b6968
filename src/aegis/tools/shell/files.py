"""Programs that read, write and delete files."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ..reading import DELETE, EXECUTE, READ, UNKNOWN, WRITE
from . import paths
from .call import Call, Parsed, parsed
from .quoting import HOLE
from .reader_options import VALUED
from .script import Word

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = frozenset(
    """ls dir vdir cat bat head tail less more most grep egrep fgrep zgrep rg ag ack fd wc sort
    uniq cut tr diff cmp comm stat file du df pwd basename dirname realpath readlink md5sum
    sha1sum sha224sum
    sha256sum sha384sum sha512sum b2sum cksum sum strings od xxd hexdump base64 base32 column nl tac
    rev join paste fold fmt expand unexpand jq yq xq tree zcat bzcat xzcat zless zmore look tsort
    pr numfmt cloc tokei exa eza lsd namei getfacl lsattr pygmentize glow mdcat csvcut csvlook
    whereis which type locate mlocate shellcheck""".split()  # noqa: SIM905
)
"""Programs whose operands are files they read."""

STATING = frozenset(
    """echo printf cal whoami id uname hostname ps top htop env printenv nproc free uptime
    journalctl dmesg lsof netstat ss history man info help
    tldr test [ [[ true false : sleep seq groups users who w last lastlog lscpu lsblk lsusb lspci
    lsmod vmstat iostat getent locale tty arch hostnamectl timedatectl expr bc dc factor yes wait
    jobs times tput clear reset sync cd pushd popd dirs set shopt local return exit break continue
    shift declare typeset readonly export unset let getopts read mapfile readarray umask
    ulimit fg bg disown pgrep pidof apropos whatis nm objdump readelf ldd size uuidgen cowsay
    hash""".split()  # noqa: SIM905
)
"""Programs and built-ins that state something or change their own shell only."""

_PATTERN_FIRST = frozenset("grep egrep fgrep zgrep rg ag ack jq yq fd tr look".split())  # noqa: SIM905


_WRITES = {
    "sort": ("o", "output"),
    "tree": ("o", "output"),
    "base64": ("o", "output"),
    "pygmentize": ("o",),
    "cloc": ("out", "report-file"),
    "file": ("C", "compile"),
}
"""Options of readers that write."""

_LISTS = {
    "wc": ("files0-from",),
    "sort": ("files0-from",),
    "du": ("files0-from", "X", "exclude-from"),
    "file": ("f", "files-from"),
    "diff": ("from-file", "to-file"),
    "grep": ("f", "file"),
    "egrep": ("f", "file"),
    "fgrep": ("f", "file"),
    "rg": ("f", "file"),
}
"""Options of readers that name a further file, which they show or quote in their errors."""

_RUNS = {
    "sort": ("compress-program",),
    "rg": ("pre", "hostname-bin"),
    "fd": ("x", "exec", "X", "exec-batch"),
    "bat": ("pager",),
    "ag": ("pager",),
}
"""Options of readers that run another program."""

_ACTS = {
    "date": r"-s|--set",
    "man": r"-P|--pager|-H|--html",
    "ss": r"-K|--kill",
    "ldd": r".",
    "dig": r"-f",
    "info": r"-\w*o|--o",
    "lastlog": r"-[CS]|--cl|--set",
    "mapfile": r"-\w*C",
    "readarray": r"-\w*C",
    "jobs": r"-\w*x",
    "hash": r"-\w*p",
}


def acts(name: str, texts: list[str]) -> bool:
    """Whether a program that states something is asked to change or run something instead."""
    if name == "hostname":
        return any(not text.startswith("-") for text in texts)
    if name == "hostnamectl":
        return any(not text.startswith("-") and text != "status" for text in texts)
    if name == "timedatectl":
        return any(text.startswith("set") for text in texts)
    pattern = _ACTS.get(name)
    return pattern is not None and any(re.match(pattern, text) for text in texts)


def _hunted(call: Call, found: Parsed) -> None:
    """Notes a search for secrets all over the system."""
    recursive = call.name in ("rg", "ag") or found.has("r", "R", "recursive")
    if not recursive or call.name not in ("grep", "egrep", "fgrep", "rg", "ag"):
        return
    wide = any(paths.wide(call.scene.path(word.text)) for word in found.operands[1:])
    if wide and any(_HUNTED.search(text) for text in call.texts):
        call.notes.threatens("reconnaissance")


def reads(call: Call) -> None:
    """A program that reads its operands."""
    call.notes.does(READ)
    found = parsed(call.args, VALUED.get(call.name, frozenset()))
    operands = found.operands
    if call.name in _PATTERN_FIRST and not found.has("e", "regexp", "f", "file", "from-file"):
        operands = operands[1:]
    if call.name in ("which", "type", "whereis", "locate"):
        return
    _hunted(call, found)
    if found.has(*_RUNS.get(call.name, ())) or any(text.startswith("+!") for text in call.texts):
        call.notes.does(EXECUTE)
        call.notes.threatens("inline-code")
    for word in operands + found.of(*_LISTS.get(call.name, ())):
        read_file(call, word)
    in_place = call.name in ("yq", "xq") and found.has("i", "inplace", "in-place")
    for word in operands if in_place else operands[1:] if call.name in ("uniq", "xxd") else ():
        write_file(call, word)
    writing = _WRITES.get(call.name, ())
    for word in found.of(*writing):
        write_file(call, word)
    if found.has(*writing):
        call.notes.does(WRITE)


def dates(call: Call) -> None:
    """date: `-f` and `-r` name files, and errors quote what stands in the first."""
    call.notes.does(EXECUTE if acts(call.name, call.texts) else READ)
    found = parsed(call.args, frozenset(("d", "date", "f", "file", "r", "reference", "s", "set")))
    for word in found.of("f", "file", "r", "reference"):
        read_file(call, word)


def read_file(call: Call, word: Word | str) -> None:
    """One file that is read."""
    for path in call.files(word, READ):
        danger = paths.danger_of_reading(path)
        if danger:
            call.notes.threatens(danger)


def write_file(call: Call, word: Word | str) -> None:
    """One file that is written; the null device keeps nothing."""
    text = word if isinstance(word, str) else word.text
    if text in ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"):
        return
    call.notes.does(WRITE)
    for path in call.files(text, WRITE):
        danger = paths.danger_of_writing(path)
        if danger:
            call.notes.threatens(danger)
        if danger == "ci-write":
            call.notes.touches("ci", path, WRITE)


def removes(call: Call) -> None:
    """rm, rmdir, unlink, shred."""
    call.notes.does(DELETE)
    found = parsed(
        call.args,
        frozenset(("n", "s", "iterations", "size")) if call.name == "shred" else frozenset(),
    )
    recursive = found.has("r", "R", "recursive") or call.name == "shred"
    for word in found.operands:
        # what cannot be known may be empty, and then `$DIR/` is the root
        for path in call.files(word, DELETE):
            danger = paths.danger_of_removing(path, recursive=recursive)
            if danger:
                call.notes.threatens(danger)
    if found.has("no-preserve-root"):
        call.notes.threatens("rm-root")
    if not found.operands and call.command.feeds and recursive:
        call.notes.threatens("rm-unresolved")


def copies(call: Call) -> None:
    """cp, mv, ln, install: the last operand is written, the others are read."""
    call.notes.does(WRITE)
    valued = frozenset(
        ("t", "target-directory", "S", "suffix", "m", "mode", "o", "owner", "g", "group")
    )
    found = parsed(call.args, valued)
    operands = found.operands
    aims = found.of("t", "target-directory")
    if not aims and len(operands) > 1:
        operands, aims = operands[:-1], operands[-1:]
    moving = call.name == "mv"
    for word in operands:
        if moving:
            for path in call.files(word, DELETE):
                danger = paths.danger_of_removing(path, recursive=True)
                if danger and danger != "rm-unresolved":
                    call.notes.threatens(danger)
        read_file(call, word)
    folder = len(operands) > 1 or found.has("t", "target-directory")
    for word in aims:
        write_file(call, word)
        if folder or word.text in (".", "..", "~") or word.text.endswith(("/", "/.")):
            put_into(call, operands, word.text)


def put_into(call: Call, sources: list[Word], folder: str) -> None:
    """What is copied into a folder, by the names it gets there. What a folder or a pattern holds is
    not known: at the top of a project or a home, it may be settings of the agent itself.
    """
    for word in sources:
        name = posixpath.basename(word.text.rstrip("/"))
        if name in ("", ".", "..") or any(mark in name for mark in "*?[" + HOLE):
            if any(_TOP.fullmatch(path) for path in call.scene.paths(folder)):
                call.notes.doubts("what it copies may replace settings of the agent")
        else:
            write_file(call, f"{folder.rstrip('/') or '/'}/{name}")


_TOP = re.compile(r"\.|\.\.(?:/\.\.)*|~|/|\?.*")
"""Folders that may hold the settings of an agent: its project, one above it, a home."""


_WRITERS = {
    "touch": "d date r reference t time",
    "mkdir": "m mode",
    "mkfifo": "m mode",
    "mknod": "m mode",
    "truncate": "s size r reference",
    "patch": "i p d o r B Y z D F V input strip directory output reject-file",
    "split": "a b C l n t suffix-length bytes line-bytes lines number separator filter",
    "csplit": "f b n prefix suffix-format digits",
}
"""Options of writers that take a value."""


def writes(call: Call) -> None:
    """Programs whose operands are written: touch, mkdir, tee, truncate, sponge, patch. What split
    and csplit write is named by a number behind the last word, or behind a letter of their own.
    """
    call.notes.does(WRITE)
    found = parsed(call.args, frozenset(_WRITERS.get(call.name, "").split()))
    for word in found.operands:
        write_file(call, word)
    for word in found.of("output", "reject-file", *"or") if call.name == "patch" else ():
        write_file(call, word)
    if call.name in ("split", "csplit"):
        aims = found.of("f", "prefix") if call.name == "csplit" else found.operands[1:]
        prefix = aims[-1].text if aims else "x" if call.name == "split" else "xx"
        write_file(call, prefix + "*")
    for word in found.of("filter") if call.name == "split" else ():
        call.notes.does(EXECUTE)
        call.notes.threatens("inline-code")
        call.scene.line(word.text, call.scene)


_OPEN_MODE = re.compile(r"0?[0-7]?[0-7][0-7][2367]$|(?:[ugoa]*[oa][ugoa]*|^)\+[rx]*w")
_SET_ID = re.compile(r"[ug]*[ug]\+[rwx]*s|^0?[2467][0-7]{3}$|\+s$")


def modes(call: Call) -> None:
    """chmod, chown, chgrp, setfacl, chattr."""
    call.notes.does(WRITE)
    args = [word for word in call.args if not _minus_mode(word.text)]
    found = parsed(args, frozenset(("from",)))
    recursive = found.has("R", "recursive")
    mode = found.operands[0].text if found.operands else ""
    for word in found.operands if call.name == "chattr" else found.operands[1:]:
        path = call.file(word, WRITE)
        if call.name == "chmod" and _SET_ID.search(mode):
            call.notes.threatens("permissions-wide")
        if recursive and paths.wide(path):
            call.notes.threatens("permissions-wide")
        if call.name == "chmod" and _OPEN_MODE.search(mode) and (recursive or path.startswith("/")):
            call.notes.threatens("permissions-wide")
        danger = paths.danger_of_writing(path)
        if (
            danger
            and danger != "ci-write"
            and not (call.name == "chmod" and path.startswith("~/.ssh"))
        ):
            call.notes.threatens(danger)
    if call.name == "setcap":
        call.notes.threatens("permissions-wide")


def _minus_mode(text: str) -> bool:
    return re.fullmatch(r"-[rwxXst]+", text) is not None


def duplicates_blocks(call: Call) -> None:
    """dd: its operands are `if=` and `of=`."""
    call.notes.does(WRITE)
    for text in call.texts:
        name, _, value = text.partition("=")
        if name == "if":
            read_file(call, value)
            if paths.device(value):
                call.notes.threatens("credentials-read")
        elif name == "of":
            write_file(call, value)


def makes_filesystem(call: Call) -> None:
    """mkfs, wipefs, fdisk and their like."""
    call.notes.does(DELETE)
    call.notes.threatens("disk-write")
    for word in parsed(call.args, frozenset(("t", "L", "n", "b"))).operands:
        call.file(word, DELETE)


def partitions(call: Call) -> None:
    """Fdisk and parted only list with `-l`."""
    if any(text in ("-l", "--list", "print", "-h", "--help", "-V") for text in call.texts):
        call.notes.does(READ)
    else:
        makes_filesystem(call)


_HUNTED = re.compile(
    r"^[-/](?:[246]000|u[+=]s|g[+=]s|u=s)|id_rsa|id_ed25519|\.pem$|\.key$|\.kdbx$|passw|credential"
    r"|secret|\.env$|\.aws|\.ssh|wallet|shadow",
    re.I,
)


def finds(call: Call) -> None:
    """find: reads trees; `-delete` and `-exec` act on what is found."""
    call.notes.does(READ)
    args = call.args
    at = 0
    while at < len(args) and args[at].text in ("-H", "-L", "-P"):
        at += 1
    starts = []
    while at < len(args) and not args[at].text.startswith(("-", "(", "!")):
        starts.append(args[at])
        at += 1
    roots = [call.file(word, READ) for word in starts] or [call.file(".", READ)]
    wide = any(paths.wide(root) for root in roots)
    if wide and any(_HUNTED.search(word.text) for word in args[at:]):
        call.notes.threatens("reconnaissance")
    deleting = False
    while at < len(args):
        text = args[at].text
        at += 1
        if text == "-delete":
            deleting = True
        elif text in ("-fprint", "-fprint0", "-fls", "-fprintf") and at < len(args):
            write_file(call, args[at])
        elif text in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((n for n in range(at, len(args)) if args[n].text in (";", "+")), len(args))
            inner = [Word(HOLE) if word.text == "{}" else word for word in args[at:end]]
            deleting = deleting or (
                bool(inner) and inner[0].text.rpartition("/")[2] in ("rm", "shred", "unlink")
            )
            call.scene.words(
                [w for w in inner if not (deleting and w.text == HOLE)], call.command, call.scene
            )
            at = end + 1
    if deleting:
        call.notes.does(DELETE)
        for root in roots:
            call.notes.touches("file", root, DELETE)
            if paths.wide(root) or root.startswith(UNKNOWN):
                call.notes.threatens("find-delete-wide")


def _tables() -> dict[str, Callable[[Call], None]]:
    rows: list[tuple[Callable[[Call], None], str]] = [
        (reads, " ".join(READERS)),
        (dates, "date"),
        (removes, "rm rmdir unlink shred srm trash grm"),
        (copies, "cp mv ln install gcp gmv rename"),
        (writes, "touch mkdir tee truncate sponge patch mkfifo mknod split csplit"),
        (modes, "chmod chown chgrp setfacl chattr setcap"),
        (duplicates_blocks, "dd dcfldd"),
        (
            makes_filesystem,
            "mkfs mkswap wipefs blkdiscard sgdisk sfdisk hdparm pvremove vgremove lvremove",
        ),
        (partitions, "fdisk parted gdisk cfdisk"),
        (finds, "find gfind bfs"),
    ]
    return {name: judge for judge, names in rows for name in names.split()}


PROGRAMS = _tables()
"""Name → its judge."""
