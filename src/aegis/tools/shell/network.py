"""Programs that reach other hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .. import http
from ..names import capability_of
from ..reading import DELETE, EXECUTE, READ, WRITE
from . import paths
from .call import Call, Parsed, parsed
from .code import from_input
from .files import acts, put_into, read_file, write_file
from .script import Word

if TYPE_CHECKING:
    from collections.abc import Callable

    from .script import Command

_CURL = frozenset(
    """X request d data data-raw data-binary data-ascii data-urlencode json F form form-string T
    upload-file o output H header u user A user-agent e referer b cookie c cookie-jar x proxy m
    max-time connect-timeout w write-out K config url retry retry-delay E cert key cacert capath
    resolve r range C continue-at D dump-header output-dir interface limit-rate max-redirs
    aws-sigv4 oauth2-bearer unix-socket proto ciphers z time-cond y Y""".split()  # noqa: SIM905
)
_WGET = frozenset(
    """O output-document P directory-prefix o output-file a append-output U user-agent header
    post-data post-file body-data body-file method t tries T timeout e execute i input-file user
    password limit-rate Q A R D I X B""".split()  # noqa: SIM905
)
_BODY = (
    "d",
    "data",
    "data-binary",
    "data-ascii",
    "data-urlencode",
    "json",
    "post-data",
    "body-data",
)
_FORM = ("F", "form")
_UPLOAD = ("T", "upload-file", "post-file", "body-file")


def fetches(call: Call) -> None:
    """curl, wget, httpie and their like: addresses, methods, and what is sent or stored."""
    valued = _WGET if call.name.startswith("wget") else _CURL
    found = parsed(call.args, valued)
    addresses = [*found.operands, *found.of("url")]
    sent = found.of(*_BODY, *_FORM, *_UPLOAD)
    method = next((word.text for word in found.of("X", "request", "method")), "")
    if call.name in ("http", "https", "xh") and addresses and addresses[0].text.isupper():
        method, addresses = addresses[0].text, addresses[1:]
    if not method:
        method = "POST" if sent else "GET"
    call.notes.does({"read": READ, "delete": DELETE}.get(capability_of(method), WRITE))
    for word in addresses:
        url = word.text
        if call.name in ("http", "https", "xh") and word is not addresses[0]:
            continue
        http.note_address(url, method, call.notes)
    _sent_files(call, found)
    if found.has("O", "remote-name") and call.name == "curl":
        call.notes.does(WRITE)
    if call.name.startswith("wget") and not _to_stdout(found):
        call.notes.does(WRITE)
    for word in found.of("o", "output", "O", "output-document"):
        if word.text != "-":
            write_file(call, word)
            call.notes.fetched.add(call.scene.path(word.text))
    if found.has("O", "remote-name") or call.name.startswith("wget"):
        names = [word.text.partition("?")[0].rpartition("/")[2] for word in addresses]
        call.notes.fetched.update(call.scene.path(name) for name in names if name)
    for word in found.of("K", "config", "i", "input-file", "b", "cookie"):
        read_file(call, word)


def _to_stdout(found: Parsed) -> bool:
    return any(
        word.text in ("-", "/dev/stdout") for word in found.of("O", "output-document")
    ) or found.has("spider")


def _sent_files(call: Call, found: Parsed) -> None:
    files = [word.text[1:] for word in found.of(*_BODY) if word.text.startswith("@")]
    files += [
        word.text.split("=@", 1)[1].split(";")[0]
        for word in found.of(*_BODY, *_FORM)
        if "=@" in word.text
    ]
    files += [word.text for word in found.of(*_UPLOAD)]
    for name in files:
        if name in ("-", ".", ""):
            _piped(call)
            continue
        path = call.file(name, READ)
        if paths.secret(path) or paths.wide(path):
            call.notes.threatens("exfiltration")
    for word in (*found.of(*_BODY, *_FORM), *found.operands, *found.of("H", "header")):
        if _leaks(word):
            call.notes.threatens("exfiltration")


_SOURCES = frozenset(
    ("env", "printenv", "set", "history", "tar", "mysqldump", "pg_dump", "gpg", "security")
)


def _piped(call: Call) -> None:
    """What is piped to a sender leaves the machine."""
    if any(_secret_source(command) for command in call.command.feeds):
        call.notes.threatens("exfiltration")


def _leaks(word: Word) -> bool:
    return any(_secret_source(command) for command in word.sources)


def _secret_source(command: Command) -> bool:
    words = [word.text for word in command.words]
    if not words:
        return False
    if words[0].rpartition("/")[2] in _SOURCES:
        return True
    return any(paths.secret(_home(text)) for text in words[1:])


def _home(text: str) -> str:
    return re.sub(r"^(?:/root|/home/[^/]+)/", "~/", text)


def raw_connection(call: Call) -> None:
    """nc, socat, telnet: with `-e` or a shell behind a pipe, a shell for another host."""
    call.notes.does(EXECUTE)
    found = parsed(
        call.args, frozenset(("p", "s", "w", "e", "c", "exec", "sh-exec", "X", "x", "i", "q"))
    )
    text = " ".join(call.texts).lower()
    if found.has("e", "c", "exec", "sh-exec") or re.search(r"(?:exec|system):", text):
        call.notes.threatens("reverse-shell")
    for word in found.operands[:1]:
        call.notes.touches("host", _host(word.text), "connect")
    before = [w.words[0].text.rpartition("/")[2] for w in call.command.feeds if w.words]
    if any(name in _SHELLS for name in before):
        call.notes.threatens("reverse-shell")
    _piped(call)
    for redirect in call.command.redirects:
        if redirect.operator.startswith("<") and paths.secret(
            call.scene.path(redirect.target.text)
        ):
            call.notes.threatens("exfiltration")


_SHELLS = frozenset(("sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "csh", "tcsh"))
_ADDRESS = re.compile(r"(?:TCP6?|UDP|OPENSSL|SSL)[-\w]*:([^:,]+)", re.I)


def _host(text: str) -> str:
    found = _ADDRESS.search(text)
    return (found[1] if found else text).lower()


_RUNNING = re.compile(r"(?:proxy|local|remote|knownhosts)command", re.I)
"""Options of ssh that run a program."""

_SSH = frozenset("b c D E e F I i J L l m O o p Q R S W w B".split())  # noqa: SIM905


def logs_in(call: Call) -> None:
    """ssh: what it runs there is judged as if it ran here; `-R` and `-D` open ways in."""
    found = parsed(call.args, _SSH)
    if not found.operands:
        call.notes.does(READ if found.has("V", "Q") else EXECUTE)
        return
    host = found.operands[0].text.rpartition("@")[2]
    call.notes.touches("host", _host(host), "connect")
    if found.has("R"):
        call.notes.threatens("tunnel")
    if any(_RUNNING.match(word.text) for word in found.of("o")):
        call.notes.threatens("inline-code")
    rest = (
        call.args[call.args.index(found.operands[0]) + 1 :]
        if found.operands[0] in call.args
        else found.operands[1:]
    )
    if rest:
        # the remote shell reads the words joined and splits them again
        call.scene.line(" ".join(word.text for word in rest), call.scene)
    elif not found.has("N", "f"):
        # without a command, the shell there reads what comes in
        from_input(call)
    if any(_secret_source(command) for command in call.command.feeds):
        call.notes.threatens("exfiltration")


_COPY = frozenset(
    [
        "e",
        "rsh",
        "exclude",
        "include",
        "P",
        "p",
        "i",
        "o",
        "F",
        "l",
        "c",
        "S",
        "J",
        "B",
        "rsync-path",
        "files-from",
        "filter",
        "f",
    ]
)
_REMOTE = re.compile(
    r"^(?:[\w.+-]+@)?([\w.-]+|\[[0-9a-fA-F:]+\])::?(?!//)|^(?:rsync|sftp|scp)://(?:[^@/]*@)?([^/:]+)"
)


def copies_between(call: Call) -> None:
    """scp, rsync, rclone: the last operand is written."""
    valued = _COPY - {"P", "p", "l", "c"} if call.name == "rsync" else _COPY - {"p"}
    found = parsed(call.args, valued)
    call.notes.does(DELETE if any(flag.startswith("delete") for flag in found.flags) else WRITE)
    operands = found.operands
    if call.name == "rclone":
        operands = operands[1:]
    if not operands:
        return
    *sources, target = operands
    away = _REMOTE.match(target.text)
    if away:
        call.notes.touches("host", (away[1] or away[2]).lower(), WRITE)
    else:
        write_file(call, target)
        inside = [Word(w.text + "*") if w.text.endswith("/") else w for w in sources]
        put_into(call, inside if call.name == "rsync" else sources, target.text)
    for word in sources:
        remote = _REMOTE.match(word.text)
        if remote:
            call.notes.touches("host", (remote[1] or remote[2]).lower(), READ)
            continue
        path = call.file(word, READ)
        if away and (paths.wide(path) or paths.secret(path)):
            call.notes.threatens("copy-out")
        elif paths.secret(path):
            call.notes.threatens("credentials-read")
    programs = found.of("S") if call.name == "scp" else found.of("e", "rsh", "rsync-path")
    programs += [word for word in found.of("o") if _RUNNING.match(word.text)]
    if any(word.text.split()[:1] not in (["ssh"], ["rsync"]) for word in programs):
        call.notes.threatens("inline-code")


def tunnels(call: Call) -> None:
    """ngrok, cloudflared, chisel, localtunnel: a public address for something in here."""
    call.notes.does(EXECUTE)
    if call.name == "cloudflared" and "tunnel" not in call.texts:
        return
    if call.args and not call.texts[0].startswith(("-", "version", "help", "config", "login")):
        call.notes.threatens("tunnel")


def attacks(call: Call) -> None:
    """Programs that look for ways into systems."""
    call.notes.does(EXECUTE)
    call.notes.threatens("reconnaissance")


def resolves(call: Call) -> None:
    """dig, host, ping and their like: a name that is asked for is told to the servers it is of, so
    one that is made of the output of commands carries it there.
    """
    call.notes.does(EXECUTE if acts(call.name, call.texts) else READ)
    for word in call.args:
        if word.sources or _leaks(word):
            call.notes.threatens("exfiltration")
        elif re.fullmatch(r"@?[\w-]+(?:\.[\w-]+)+\.?", word.text):
            call.notes.touches("host", word.text.strip("@.").lower(), "connect")


def mails(call: Call) -> None:
    """mail, sendmail, mutt: what is attached or piped leaves."""
    call.notes.does(WRITE)
    found = parsed(call.args, frozenset(("s", "a", "A", "c", "b", "r")))
    _piped(call)
    for word in found.of("a", "A"):
        if paths.secret(call.file(word, READ)):
            call.notes.threatens("exfiltration")
    for redirect in call.command.redirects:
        if redirect.operator == "<" and paths.secret(call.scene.path(redirect.target.text)):
            call.notes.threatens("exfiltration")


def _tables() -> dict[str, Callable[[Call], None]]:
    rows: list[tuple[Callable[[Call], None], str]] = [
        (fetches, "curl wget wget2 http https xh aria2c lynx links w3m httpie"),
        (raw_connection, "nc ncat netcat socat telnet cryptcat"),
        (logs_in, "ssh autossh sshpass-ssh dbclient"),
        (copies_between, "scp rsync rclone sftp"),
        (
            attacks,
            "nmap masscan hydra john hashcat sqlmap nikto msfconsole msfvenom responder mimikatz",
        ),
        (tunnels, "cloudflared ngrok chisel localtunnel lt bore frpc pagekite"),
        (resolves, "dig nslookup host ping ping6 traceroute whois"),
        (mails, "mail mailx sendmail mutt msmtp swaks"),
    ]
    return {name: judge for judge, names in rows for name in names.split()}


PROGRAMS = _tables()
"""Name → its judge."""
