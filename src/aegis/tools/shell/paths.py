"""Which files matter: secrets, what decides who may do what, what runs by itself, devices.

Paths come normalised from `Scene.path`, with `~` for every home directory. A path with wildcards
matches what it could stand for.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from ..reading import UNKNOWN

PATH_MAX = 4_096
"""Longest path, in characters (Linux: PATH_MAX); a longer one is no path."""


def normalised(text: str, directory: str = "", root: str = "") -> str:
    """A path as a resource names it: from a directory, without `.` and `..`, and relative where
    it lies below `root`, the folder of the project. `~` stands for any home directory. Links are
    not followed.

    A path whose danger only its whole name shows keeps that name: `shadow` in `/etc`.
    """
    plain = _plain(text, directory)
    if not root.startswith("/") or not plain or plain.startswith(UNKNOWN):
        return plain
    base = _plain(root, "")
    whole = _plain(text, posixpath.join(base, directory))
    name = _below(whole, base) or plain
    danger = _hazards(whole, base)
    return whole if any(danger) and danger != _hazards(name, base) else name


_OWN = re.compile(
    r"/(?:\.(?:aegis|gemini|git|github|gitlab|circleci|claude(?!/worktrees/))(?=/|$)"
    r"|aegis[^/]*\.yaml$)"
)
"""Folders and files that decide what an agent may do or what runs by itself. Where the project
begins is not taken from a working directory inside of one.
"""


def _below(whole: str, base: str) -> str:
    """The path from the folder of the project, or nothing where it lies elsewhere."""
    inside = _OWN.search(base)
    base = base[: inside.start()] if inside else base
    top = base.rstrip("/")
    if whole == base:
        return "."
    if whole.startswith(top + "/"):
        return whole[len(top) + 1 :]
    own = _OWN.search(whole)
    above = own is not None and f"{top}/".startswith(whole[: own.start()] + "/")
    return whole[own.start() + 1 :] if own is not None and above else ""


def _hazards(path: str, base: str) -> tuple[str, str, bool]:
    """What is dangerous about a path; a project may itself lie in a folder of the system."""
    broad = (wide(path) and not _SERVED.match(base)) or _ROOT_LIKE.fullmatch(path) is not None
    return danger_of_reading(path), danger_of_writing(path), broad


_SERVED = re.compile(r"^/var/(?:lib|www)/.")


def _plain(text: str, directory: str) -> str:
    """A path without `.` and `..`, from a directory."""
    text = _at_home(text)
    if not text.startswith(("/", "~")) and directory:
        text = _at_home(posixpath.join(directory, text))
    if text.startswith("~/"):
        inside = posixpath.normpath(text[2:] or ".")
        if inside.startswith(".."):
            return UNKNOWN
        return "~" if inside == "." else "~/" + inside
    normal = posixpath.normpath(text) if text else ""
    return normal[1:] if normal.startswith("//") else normal


def _at_home(text: str) -> str:
    """A path with every spelling of a home directory as `~`."""
    if text == "/root" or text.startswith("/root/"):
        return "~" + text[5:]
    if text.startswith("/home/") and len(text) > 6:
        user, slash, rest = text[6:].partition("/")
        return f"~/{rest}" if slash and user else "~" if user else text
    if text.startswith("~"):
        return "~" + text[text.index("/") :] if "/" in text else "~"
    return text


_SECRETS = """/etc/shadow /etc/shadow- /etc/gshadow /etc/passwd /etc/sudoers /etc/master.passwd
/etc/security/opasswd /etc/krb5.keytab ~/.ssh/id_rsa ~/.ssh/id_dsa ~/.ssh/id_ecdsa
~/.ssh/id_ed25519 ~/.ssh ~/.aws/credentials ~/.aws ~/.netrc ~/.pgpass ~/.my.cnf ~/.git-credentials
~/.config/gh/hosts.yml ~/.docker/config.json ~/.kube/config ~/.npmrc ~/.pypirc ~/.vault-token
~/.gnupg ~/.azure ~/.config/gcloud ~/.local/share/keyrings ~/.password-store ~/.bash_history
~/.zsh_history ~/.cargo/credentials.toml ~/.terraform.d/credentials.tfrc.json""".split()  # noqa: SIM905
"""Where Unix systems and common tools keep passwords, keys and tokens, as their manuals say."""

_SECRET = re.compile(
    r"^~/\.ssh/(?!known_hosts|config|[^/]*\.pub$|authorized_keys)|^~/\.(?:gnupg|aws|azure|password-store)/"
    r"|^~/\.config/gcloud/|^~/\.mozilla/.*(?:logins\.json|key4\.db)|/Login Data$|^/etc/sudoers\.d/"
    r"|^/proc/[^/]+/environ$|(?:^|/)\.env(?:\.(?!example|sample|template|dist)[\w.-]+)?$"
    r"|^/etc/ssh/ssh_host_\w+_key$|^/etc/ssl/private/|^/run/secrets/|^/var/run/secrets/"
    r"|(?:^|/)id_(?:rsa|dsa|ecdsa|ed25519)$|(?:^|/)credentials\.json$|(?:^|/)\.git-credentials$"
)

_SYSTEM_WRITE = re.compile(
    r"^/etc/(?:passwd|shadow|gshadow|group|sudoers|hosts\.allow|ld\.so\.preload|ld\.so\.conf|nsswitch"
    r"\.conf|resolv\.conf|hosts|fstab|exports|securetty|doas\.conf)$|^/etc/(?:sudoers\.d|pam\.d"
    r"|ssl|ca-certificates|apt|yum\.repos\.d|ssh|selinux|apparmor\.d|audit|security|ld\.so\.conf\.d)(?:/|$)"
    r"|^~/\.ssh/(?:authorized_keys2?|config|rc)$|^~/\.ssh$|^/(?:bin|sbin|lib|lib64|boot|usr/(?:bin|sbin|lib))(?:/|$)"
    r"|^/proc/sys(?:rq-trigger|/)|^/sys/"
)

_STARTUP = re.compile(
    r"^/etc/(?:cron[\w.]*|init\.d|rc\.local|rc\d?\.d|systemd/system|profile|profile\.d|bash\.bashrc"
    r"|environment|zshrc|update-motd\.d|udev/rules\.d|xdg/autostart)(?:/|$)|^/var/spool/cron|^/(?:usr/)?lib/systemd"
    r"|^~/\.(?:bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zshenv|zprofile|zlogin|xinitrc"
    r"|xprofile)$|^~/\.config/(?:autostart|systemd|fish/config\.fish)|^~/Library/LaunchAgents/"
    r"|(?:^|/)\.git/hooks/"
)

_LOGS = re.compile(r"^/var/log(?:/|$)|^~/\.(?:bash|zsh|python|mysql|psql)_history$")

_DEVICE = re.compile(
    r"^/dev/(?:sd[a-z]|hd[a-z]|vd[a-z]|xvd[a-z]|nvme\d|mmcblk\d|disk|mapper/|md\d|dm-\d|mem$|kmem$|port$|sdX)"
)

_ROOTS = frozenset(
    ("/", "/*", "/.", "/.*", "~", "~/*", "~/.*", "/home", "/home/*", "/root", "/Users")
)
_PROJECT = frozenset((".", "*", ".*", ".git", ".git/*"))
_SYSTEM = re.compile(
    r"^/(?:bin|boot|dev|etc|lib\w*|opt|proc|root|run|sbin|srv|sys|usr|var|System|Library|Applications)"
    r"(?:/\*)?$|^/(?:bin|boot|etc|lib\w*|sbin|sys|proc|dev)/|^/usr/(?:bin|sbin|lib\w*|local|share|include)(?:/\*)?$"
    r"|^/var/(?:lib|log|www|spool|mail|backups?|db)(?:/|$)"
)

_ROOT_LIKE = re.compile(r"/(?:home|Users)/[^/]*|/[^/]*[*?\[][^/]*|~/[^/]*\*[^/]*")

CI = re.compile(
    r"(?:^|/)\.github(?:/|$)|(?:^|/)\.gitlab-ci\.yml$|(?:^|/)\.gitlab(?:/|$)|(?:^|/)\.circleci(?:/|$)"
    r"|(?:^|/)\.travis\.yml$|(?:^|/)azure-pipelines[\w.-]*\.ya?ml$|(?:^|/)Jenkinsfile$|(?:^|/)\.drone\.yml$"
    r"|(?:^|/)bitbucket-pipelines\.yml$|(?:^|/)\.buildkite(?:/|$)|(?:^|/)\.woodpecker(?:/|\.ya?ml$)"
    r"|(?:^|/)\.?appveyor\.yml$|(?:^|/)\.cirrus\.(?:yml|star)$|(?:^|/)\.semaphore(?:/|$)"
    r"|(?:^|/)(?:cloudbuild|buildspec)[\w.-]*\.(?:ya?ml|json)$|(?:^|/)\.tekton(?:/|$)"
    r"|(?:^|/)\.azure-pipelines(?:/|$)|(?:^|/)Jenkinsfile\.[\w.-]+$|(?:^|/)\.gitlab-ci(?:/|$)"
    r"|(?:^|/)CODEOWNERS$|(?:^|/)\.teamcity(?:/|$)|(?:^|/)\.forgejo(?:/|$)|(?:^|/)\.gitea(?:/|$)"
)
"""Files that decide what continuous integration runs, and who has to look at a change."""

_WILD = re.compile(r"[*?\[]")


def danger_of_reading(path: str) -> str:
    """The danger of reading a file, or nothing."""
    return "credentials-read" if secret(path) else ""


@lru_cache(maxsize=1_024)
def secret(path: str) -> bool:
    """Whether a file holds passwords, keys or tokens."""
    if path in _SECRETS or _SECRET.search(path):
        return True
    return _WILD.search(path) is not None and any(_could_be(path, name) for name in _SECRETS)


@lru_cache(maxsize=1_024)
def danger_of_writing(path: str) -> str:
    """The danger of changing a file, or nothing."""
    if _DEVICE.match(path):
        return "disk-write"
    if _LOGS.match(path):
        return "log-wipe"
    if _SYSTEM_WRITE.search(path):
        return "system-write"
    if _STARTUP.search(path):
        return "startup-write"
    return "ci-write" if CI.search(path) else ""


def danger_of_removing(path: str, *, recursive: bool) -> str:
    """The danger of deleting a file or, with `recursive`, a tree."""
    if recursive and (path in _ROOTS or _ROOT_LIKE.fullmatch(path)):
        return "rm-root"
    if recursive and path in _PROJECT:
        return "work-discard"
    if _LOGS.match(path):
        return "log-wipe"
    if _SYSTEM.match(path) or _DEVICE.match(path):
        return "rm-system"
    if recursive and (
        path in (UNKNOWN, "", "..", "../..") or path.startswith((UNKNOWN, "/" + UNKNOWN))
    ):
        return "rm-unresolved"
    return danger_of_writing(path)


def wide(path: str) -> bool:
    """Whether a path is the whole system, a home directory or a directory of the system."""
    return path in _ROOTS or _SYSTEM.match(path) is not None


def device(path: str) -> bool:
    """Whether a path is a disk, partition or memory."""
    return _DEVICE.match(path) is not None


def _could_be(path: str, name: str) -> bool:
    """Whether a path with wildcards could stand for a name; as fnmatch, in linear time."""
    if len(path) > 256 or path.startswith(("*", "?")):
        return False
    import fnmatch

    return fnmatch.fnmatchcase(name, re.sub(r"\*+", "*", path))
