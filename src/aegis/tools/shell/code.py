"""Programs that run program text: shells, interpreters, build tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..git_commands import note_arguments
from ..github import note_github
from ..reading import EXECUTE, READ, WRITE
from . import paths
from .call import Call, parsed
from .files import read_file
from .script import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .script import Command

SHELLS = frozenset(
    ("sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "rbash", "fish", "csh", "tcsh")
)
"""Programs that read command lines."""

INPUTS = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""Names of the standard input."""

_FETCHERS = frozenset(
    (
        "curl",
        "wget",
        "wget2",
        "nc",
        "ncat",
        "netcat",
        "http",
        "xh",
        "aria2c",
        "fetch",
        "lynx",
        "ssh",
        "socat",
        "telnet",
    )
)
_DECODERS = frozenset(
    (
        "base64",
        "base32",
        "xxd",
        "openssl",
        "gunzip",
        "gzip",
        "zcat",
        "rev",
        "tr",
        "uudecode",
        "gpg",
        "printf",
        "od",
        "bzip2",
        "xz",
        "basenc",
    )
)


def danger_of_source(commands: Sequence[Command]) -> str:
    """The danger of running what these commands put out, or nothing where they say nothing."""
    names = {w.words[0].text.rpartition("/")[2] for w in commands if w.words}
    texts = " ".join(word.text for command in commands for word in command.words)
    if names & _FETCHERS or "/dev/tcp/" in texts:
        return "remote-code"
    return "decoded-code" if names & _DECODERS else ""


def shell(call: Call) -> None:
    """A shell: judged by the line it is given with -c, on its input, or not at all."""
    valued = frozenset(("O", "o", "init-file", "rcfile"))
    found = parsed(call.args, valued)
    operands = found.operands
    if any(
        redirect.target.text.startswith(("/dev/tcp/", "/dev/udp/"))
        for redirect in call.command.redirects
    ):
        call.notes.threatens("reverse-shell")
    if found.has("c") or (call.name == "fish" and found.has("command")):
        for word in [word for word in operands if not word.text.startswith("+")][:1]:
            run_text(call, word)
        return
    for word in operands:
        if word.sources:
            _noted_source(call, word)
    if operands and not found.has("s") and operands[0].text not in INPUTS:
        call.notes.does(EXECUTE)
        if not operands[0].sources:
            call.file(operands[0], EXECUTE)
        return
    if found.has("version", "help") and not found.has("i"):
        call.notes.does(READ)
        return
    from_input(call)


def from_input(call: Call) -> None:
    """What a shell reads from its input: a here-document, a pipe, a file."""
    command = call.command
    call.notes.does(EXECUTE)
    if command.text_in is not None:
        run_text(call, command.text_in)
        return
    for redirect in command.redirects:
        if redirect.operator == "<":
            if redirect.target.sources:
                _noted_source(call, redirect.target)
            return
    if not command.feeds:
        return
    danger = danger_of_source(command.feeds)
    if danger:
        call.notes.threatens(danger)
        return
    last = command.feeds[-1]
    words = last.words
    if (
        words
        and words[0].text.rpartition("/")[2] in ("echo", "printf")
        and all(w.known for w in words)
    ):
        call.scene.line(
            " ".join(w.text for w in words[1:] if w.text not in ("-e", "-n", "-en")), call.scene
        )
    elif words and words[0].text == "cat" and last.text_in is not None and len(words) == 1:
        run_text(call, last.text_in)
    else:
        call.notes.doubts("a shell runs the output of another command")


def run_text(call: Call, word: Word) -> None:
    """A line that is run: judged where it is known."""
    _noted_source(call, word, quiet=True)
    if word.known:
        call.scene.line(word.text, call.scene)
        return
    call.notes.does(EXECUTE)
    if word.text.strip("\0 "):
        call.scene.line(word.text.replace("\0", "$unknown"), call.scene)
    call.notes.doubts("it runs a line that is only known when it runs")


def _noted_source(call: Call, word: Word, *, quiet: bool = False) -> None:
    danger = danger_of_source(word.sources)
    if danger:
        call.notes.threatens(danger)
    elif word.sources and not quiet:
        call.notes.doubts("a shell runs the output of another command")


def evaluates(call: Call) -> None:
    """eval: its words joined are a line. `eval "$(ssh-agent)"` and its like set variables."""
    words = call.args
    inside = [command for word in words for command in word.sources]
    if inside and all(w.words and w.words[0].text in _SETS_VARIABLES for w in inside):
        call.notes.does(READ)
        return
    joined = Word(" ".join(word.text for word in words), tuple(inside))
    run_text(call, joined)


_SETS_VARIABLES = frozenset(
    (
        "ssh-agent",
        "direnv",
        "pyenv",
        "rbenv",
        "nodenv",
        "brew",
        "starship",
        "zoxide",
        "dircolors",
        "fnm",
        "mise",
        "minikube",
        "docker-machine",
        "conda",
        "opam",
        "thefuck",
        "keychain",
    )
)


def sources_file(call: Call) -> None:
    """Source and `.`: run a file in this shell."""
    call.notes.does(EXECUTE)
    for word in call.args[:1]:
        if word.sources:
            _noted_source(call, word)
        elif word.text in INPUTS:
            from_input(call)
        else:
            # what it sets can be shown by whatever comes behind
            read_file(call, word)
            call.file(word, EXECUTE)


_CODE = re.compile(
    r"os\.system|os\.popen|os\.exec|os\.spawn|subprocess|pty\.spawn|socket|rmtree|os\.(?:remove|unlink|removedirs)"
    r"|child_process|require\(['\"](?:net|dgram)|\bexec\b|\beval\b|\bspawn\b|\bsystem\b|`[^`]*`|IO\.popen|Kernel\."
    r"|fsockopen|shell_exec|passthru|proc_open|unlink|rmSync|FileUtils\.rm|__import__|importlib|b64decode|base64"
    r"|Remove-Item|Invoke-(?:Expression|WebRequest)|DownloadString|Start-Process|urlopen|requests\.|urllib|http\.client|ctypes|Net::|LWP::|TCPSocket|ProcessBuilder|Deno\.(?:run|Command)",
)
_GLUED = re.compile(r"[\s('\";]")
"""A program text in the same word as its option."""
_FORKS = re.compile(r"fork\s*(?:\(\))?\s+while|while\b[^;]{0,40}\bfork\b")
_SOCKETS = re.compile(r"socket|TCPSocket|fsockopen|require\(['\"]net|Net::|/dev/tcp|IO::Socket")
_SPAWNS = re.compile(r"/bin/(?:ba)?sh|pty\.spawn|['\"](?:ba)?sh['\"]|exec|dup2|spawn")
_FILE_IN_TEXT = re.compile(r"['\"]((?:/|~/)[^'\"\s]{1,200})['\"]")
_EVALUATES = frozenset(
    ("c", "e", "E", "r", "R", "p", "eval", "print", "execute", "pe", "ne", "le", "ie")
)


def interprets(call: Call) -> None:
    """python, perl, ruby, node, php and their like."""
    if call.args and all(
        t in ("-V", "--version", "-v", "-h", "--help", "-version") for t in call.texts
    ):
        call.notes.does(READ)
        return
    call.notes.does(EXECUTE)
    python = call.name.startswith(("python", "pypy"))
    texts = _programs(call, python)
    if call.command.text_in is not None:
        texts.append(call.command.text_in.text)
    for text in texts:
        _judge_text(call, text)
    if python and call.texts[:1] == ["-m"]:
        _module(call)
    found = parsed(call.args, _EVALUATES | frozenset(("m", "W", "X", "I")))
    operands = found.operands
    if not texts and operands:
        if operands[0].sources:
            _noted_source(call, operands[0])
        elif operands[0].text != "-":
            call.file(operands[0], EXECUTE)
    reads_input = (
        not texts and call.texts[:1] != ["-m"] and (not operands or operands[0].text == "-")
    )
    if reads_input and call.command.feeds:
        danger = danger_of_source(call.command.feeds)
        if danger:
            call.notes.threatens(danger)
        else:
            call.notes.doubts("an interpreter runs the output of another command")


def _programs(call: Call, python: bool) -> list[str]:
    """The program texts among the arguments."""
    found: list[str] = []
    args = call.args
    for at, word in enumerate(args):
        text = word.text
        if python and text == "-m":
            break
        short = re.fullmatch(r"-[a-zA-Z]*?([ceErRp]|pe|ne|eval)", text) or text in (
            "--eval",
            "--print",
            "--execute",
            "--run",
        )
        if text[:1] == "-" and short and at + 1 < len(args):
            if python and not text.endswith("c"):
                continue
            found.append(args[at + 1].text)
            if args[at + 1].sources:
                _noted_source(call, args[at + 1])
        elif text[:1] == "-" and _GLUED.search(text):
            found.append(text.partition("=")[2] if text.startswith("--") else text[2:])
            _noted_source(call, word, quiet=True)
        elif text[:1] != "-" and (not at or args[at - 1].text[:1] != "-"):
            # the word behind an option may be its value
            break
    return found


def _judge_text(call: Call, text: str) -> None:
    if _SOCKETS.search(text) and _SPAWNS.search(text):
        call.notes.threatens("reverse-shell")
    if _FORKS.search(text):
        call.notes.threatens("fork-bomb")
    if _CODE.search(text):
        call.notes.threatens("inline-code")
    if "\0" in text:
        call.notes.doubts("part of the program text is only known when it runs")
    for path in _FILE_IN_TEXT.findall(text):
        read_file(call, path)


def _module(call: Call) -> None:
    module = call.texts[1] if len(call.args) > 1 else ""
    if module in ("pip", "pip3"):
        call.scene.words([Word("pip"), *call.args[2:]], call.command, call.scene)
    elif module == "http.server":
        call.notes.touches("host", "localhost", "listen")
    call.notes.touches("module", module.replace("\0", "?"), EXECUTE)


def makes(call: Call) -> None:
    """make, just, npx, tox and their like run what a file of the project, or a registry, says."""
    call.notes.does(EXECUTE)
    found = parsed(call.args, frozenset(("C", "f", "j", "p", "m", "e")))
    if call.name in ("make", "gmake") and any(word.text in INPUTS for word in found.of("f")):
        call.notes.doubts("`make` runs what comes in")
    for word in found.operands[:8]:
        if word.text.startswith(("http://", "https://")):
            call.notes.threatens("remote-code")


def versions(call: Call) -> None:
    """git: judged by its own reader."""
    note_arguments(
        call.texts, call.notes, call.scene.path, lambda line: call.scene.line(line, call.scene)
    )


def github(call: Call) -> None:
    """gh, glab, hub."""
    note_github(call.texts, call.notes)


def edits(call: Call) -> None:
    """Editors: `+!cmd`, `-c ':!cmd'` run commands; their files are written."""
    call.notes.does(WRITE)
    for text in call.texts:
        if re.search(r"(?:^|[+:|\s])!|system\(|--cmd", text):
            call.notes.threatens("inline-code")
            call.notes.does(EXECUTE)
    for word in parsed(call.args, frozenset(("c", "u", "S", "cmd"))).operands:
        if not word.text.startswith("+"):
            path = call.file(word, WRITE)
            danger = paths.danger_of_writing(path)
            if danger:
                call.notes.threatens(danger)


def _tables() -> dict[str, Callable[[Call], None]]:
    rows: list[tuple[Callable[[Call], None], str]] = [
        (shell, " ".join(SHELLS)),
        (evaluates, "eval"),
        (sources_file, "source ."),
        (
            interprets,
            "python python2 python3 pypy pypy3 perl ruby node nodejs deno php lua Rscript "
            "osascript tclsh guile julia pwsh powershell",
        ),
        (
            makes,
            "make gmake just npx pnpx bunx tox nox pytest rake gradle mvn ant cmake ninja "
            "meson bazel task invoke pre-commit",
        ),
        (versions, "git"),
        (github, "gh glab hub"),
        (edits, "vi vim nvim nano emacs ed ex view"),
    ]
    return {name: judge for judge, names in rows for name in names.split()}


PROGRAMS = _tables()
"""Name → its judge."""
