"""Programs that change the machine: services, processes, firewall, accounts, kernel, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..names import capability
from ..reading import DELETE, EXECUTE, READ, WRITE
from .call import Call, parsed

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTECTING = (
    "auditd",
    "apparmor",
    "firewalld",
    "ufw",
    "fail2ban",
    "falcon",
    "clamav",
    "rsyslog",
    "syslog",
    "iptables",
    "nftables",
    "selinux",
    "crowdsec",
    "wazuh",
    "osquery",
)


def services(call: Call) -> None:
    """systemctl, service: status reads, everything else acts."""
    operands = [
        word.text for word in parsed(call.args, frozenset(("p", "t", "n", "H", "M"))).operands
    ]
    verb = operands[0] if operands else "list"
    if call.name == "service":
        operands = operands[::-1]
        verb = operands[0] if operands else "list"
    if verb in (
        "poweroff",
        "reboot",
        "halt",
        "kexec",
        "emergency",
        "rescue",
        "suspend",
        "hibernate",
    ):
        call.notes.threatens("power")
    if verb in ("stop", "disable", "mask", "kill"):
        call.notes.does(DELETE if verb == "mask" else EXECUTE)
        if any(name.startswith(_PROTECTING) for name in operands[1:]):
            call.notes.threatens("protection-off")
        return
    reading = verb.startswith(("list", "show", "status", "is-", "cat", "get-", "help", "--status"))
    call.notes.does(READ if reading else EXECUTE)
    for name in operands[1:]:
        call.notes.touches("service", name, READ if reading else EXECUTE)


def ends_processes(call: Call) -> None:
    """kill, killall, pkill: process -1, and everything of a kind."""
    call.notes.does(EXECUTE if call.name == "kill" else DELETE)
    texts = call.texts
    signal = bool(texts) and texts[0].startswith("-") and texts[0] != "--"
    targets = texts[1:] if signal else texts
    if any(text.startswith(_PROTECTING) for text in targets):
        call.notes.threatens("protection-off")
    if any(text in ("-1", "1") for text in targets) and call.name == "kill":
        call.notes.threatens("kill-all")
    if call.name in ("killall5",) or (
        call.name == "pkill" and any(text in (".", ".*", "") for text in targets)
    ):
        call.notes.threatens("kill-all")
    if any(text in ("-l", "-L", "--list") for text in texts):
        call.notes.capabilities.discard(EXECUTE)
        call.notes.does(READ)


def power(call: Call) -> None:
    """shutdown, reboot, halt, poweroff, init, telinit."""
    call.notes.does(EXECUTE)
    if call.name in ("init", "telinit") and not any(
        text in ("0", "6", "1", "s") for text in call.texts
    ):
        return
    if not any(text in ("-c", "--help", "--show", "--version") for text in call.texts):
        call.notes.threatens("power")


def firewall(call: Call) -> None:
    """iptables, nft, ufw, firewall-cmd, pfctl, setenforce."""
    texts = call.texts
    call.notes.does(
        READ
        if any(
            t in ("-L", "-S", "--list", "status", "list", "--list-all", "--state") for t in texts
        )
        else WRITE
    )
    if any(
        t in ("-F", "--flush", "-X", "disable", "reset", "flush", "--panic-off", "-d")
        for t in texts
    ):
        call.notes.threatens("firewall-off")
    if any(
        a in ("-P", "--policy") and c == "ACCEPT" for a, c in zip(texts, texts[2:], strict=False)
    ):
        call.notes.threatens("firewall-off")


def protections(call: Call) -> None:
    """setenforce, auditctl, aa-disable, sysctl, insmod and their like."""
    texts = call.texts
    call.notes.does(WRITE)
    if (
        (call.name == "setenforce" and texts[:1] in (["0"], ["Permissive"], ["permissive"]))
        or (call.name == "auditctl" and any(t in ("-D", "-e") for t in texts))
        or call.name in ("aa-disable", "aa-teardown", "aa-complain", "csrutil", "spctl")
    ):
        call.notes.threatens("protection-off")
    elif (
        call.name in ("insmod", "modprobe", "rmmod", "kexec")
        and texts
        and texts[0] not in ("-l", "-n", "--help")
    ):
        call.notes.threatens("kernel")
    elif call.name == "sysctl":
        writing = any(t in ("-w", "-p", "--write", "--load", "--system") or "=" in t for t in texts)
        if writing:
            call.notes.threatens("kernel")
        else:
            call.notes.capabilities.discard(WRITE)
            call.notes.does(READ)
    elif call.name in ("swapoff", "mount", "umount") and not texts:
        call.notes.capabilities.discard(WRITE)
        call.notes.does(READ)


def accounts(call: Call) -> None:
    """useradd, usermod, passwd, chpasswd, visudo and their like."""
    call.notes.does(WRITE)
    if not any(t in ("-S", "--status", "--help", "-h", "-c") for t in call.texts):
        call.notes.threatens("accounts")


def schedules(call: Call) -> None:
    """crontab, at, batch: `crontab -l` reads, the rest decides what runs later."""
    if call.name == "crontab" and any(t == "-l" for t in call.texts):
        call.notes.does(READ)
        return
    if call.name in ("atq",):
        call.notes.does(READ)
        return
    call.notes.does(DELETE if "-r" in call.texts else WRITE)
    call.notes.threatens("startup-write")
    text = call.command.text_in
    if call.name in ("at", "batch") and text is not None:
        call.scene.line(text.text, call.scene)


def histories(call: Call) -> None:
    """history: `-c` and `-d` remove traces."""
    if any(t.startswith(("-c", "-d", "-w")) for t in call.texts):
        call.notes.does(DELETE)
        call.notes.threatens("log-wipe")
    elif call.name == "fc":
        listing = any(t.startswith("-") and "l" in t for t in call.texts)
        call.notes.does(READ if listing else EXECUTE)
    else:
        call.notes.does(WRITE if any(t.startswith("-") for t in call.texts) else READ)


def logs(call: Call) -> None:
    """Journalctl and dmesg: reading, unless they vacuum, rotate or clear."""
    if any(
        t.startswith(("--vacuum", "--rotate", "-C", "--clear", "-c"))
        and not t.startswith("--catalog")
        for t in call.texts
    ):
        call.notes.does(DELETE)
        call.notes.threatens("log-wipe")
    else:
        call.notes.does(READ)


_PACKAGE_VALUED = frozenset(
    (
        "i",
        "index-url",
        "extra-index-url",
        "r",
        "requirement",
        "c",
        "t",
        "target",
        "registry",
        "prefix",
        "C",
        "f",
        "find-links",
    )
)


def packages(call: Call) -> None:
    """pip, npm, gem, cargo, apt and their like: installing runs code of a stranger."""
    found = parsed(call.args, _PACKAGE_VALUED)
    operands = [word.text for word in found.operands]
    verb = operands[0] if operands else ""
    acts = capability(verb) if verb else READ
    if verb in (
        "install",
        "i",
        "add",
        "ci",
        "sync",
        "run",
        "exec",
        "x",
        "test",
        "start",
        "build",
        "develop",
    ):
        acts = EXECUTE
    elif verb in (
        "publish",
        "upload",
        "push",
        "login",
        "adduser",
        "owner",
        "yank",
        "unpublish",
        "deprecate",
    ):
        acts = "deploy"
    elif verb in (
        "audit",
        "outdated",
        "whoami",
        "freeze",
        "show",
        "list",
        "ls",
        "view",
        "search",
        "policy",
        "--version",
        "config",
    ):
        acts = READ
    call.notes.does(acts)
    for name in operands[1:]:
        call.notes.touches("package", name, acts)
    if acts == EXECUTE and verb in ("install", "i", "add"):
        strange = [
            t
            for t in operands[1:]
            if t.startswith(("http://", "https://", "ftp://", "git+http://"))
        ]
        indexes = [
            w.text
            for w in found.of("index-url", "extra-index-url", "registry", "i", "f", "find-links")
        ]
        if strange or any(t.startswith("http://") for t in indexes) or found.has("trusted-host"):
            call.notes.threatens("untrusted-package")


def dispatches_nothing(call: Call) -> None:
    """Programs that only state something."""
    call.notes.does(READ)


def _tables() -> dict[str, Callable[[Call], None]]:
    rows: list[tuple[Callable[[Call], None], str]] = [
        (services, "systemctl service rc-service"),
        (ends_processes, "kill killall pkill killall5"),
        (power, "shutdown reboot halt poweroff init telinit"),
        (firewall, "iptables ip6tables nft ufw firewall-cmd pfctl"),
        (
            protections,
            "setenforce auditctl aa-disable aa-teardown aa-complain csrutil spctl insmod "
            "modprobe rmmod"
            "kexec sysctl swapoff mount umount",
        ),
        (
            accounts,
            "useradd adduser usermod userdel deluser groupadd groupmod gpasswd passwd "
            "chpasswd visudo vipw chage newusers",
        ),
        (schedules, "crontab at batch atrm"),
        (histories, "history fc"),
        (logs, "journalctl dmesg"),
        (
            packages,
            "pip pip3 pipx npm pnpm yarn bun gem cargo apt apt-get yum dnf apk brew go "
            "composer conda mamba poetry uv twine pacman",
        ),
    ]
    return {name: judge for judge, names in rows for name in names.split()}


PROGRAMS = _tables()
"""Name → its judge."""
