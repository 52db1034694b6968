"""What a tool would do to the world, read from its name.

A name is taken apart into words (snake_case, kebab-case, camelCase, dots, slashes,
`mcp__server__tool`), and its most dangerous verb decides: `getOrDeleteUser` deletes. Some verbs
are nouns as often; behind a verb that reads they name a thing (`get_release`, `get_email`). The
server of `mcp__server__tool` is an address, not a verb. Names nobody can read mean `execute`; a
word that mixes look-alike scripts is a disguise and means the worst.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_MAX = 1_024
"""Longest name that is read, in characters; a longer one is nobody's tool and means the worst."""

MEMO_MAX = 4_096
"""Most names remembered; callers choose names, so the memo is bounded (least recent first out)."""

_VERBS: tuple[tuple[str, str], ...] = (
    (
        "delete",
        """delete deletes deleted deleting deletion del remove removes removing rm rmdir
        rmtree rmi unlink drop drops purge purges destroy destroys truncate wipe erase revoke
        uninstall teardown terminate kill nuke expunge prune evict deprovision deregister
        unregister invalidate shred obliterate clear reset flush discard expire mkfs format dd
        overwrite disband""",
    ),
    (
        "deploy",
        """deploy deploys deployment deploying redeploy release publish apply rollout
        rollback push promote ship provision launch upgrade failover""",
    ),
    (
        "approve",
        """approve approves merge grant authorize authorise accept confirm sign permit
        allow allowlist whitelist elevate impersonate escalate assume""",
    ),
    (
        "execute",
        """execute exec eval run invoke call spawn shell bash sh zsh powershell cmd command
        script sudo start stop restart shutdown reboot trigger dispatch schedule click navigate
        fork cancel""",
    ),
    (
        "write",
        """write writes create creates creating update insert put patch set send sends post
        upload edit rename move mv add append save store upsert replace modify change import copy
        cp commit enable disable configure assign unassign attach detach comment reply submit
        invite subscribe unsubscribe transfer pay refund charge book order purchase buy email
        notify message mail archive restore sync chmod chown mkdir touch increment decrement lock
        unlock close open reopen label tag fill type draft make generate alter bulk mark log record
        withdraw deposit register""",
    ),
    (
        "read",
        """read reads get gets list lists fetch search find query select describe show view
        count lookup look check inspect browse scan grep cat head tail ls ps stat status diff peek
        preview retrieve load download export explain analyze analyse summarize compare validate
        verify test ping whoami help info health history exists resolve watch poll tree blame echo
        pwd wc less trace""",
    ),
)
"""Capability and its verbs, from the most dangerous on."""

_RANK = {word: rank for rank, (_, row) in enumerate(_VERBS) for word in row.split()}
_READ = len(_VERBS) - 1

_NOUNS = frozenset(
    """deployment release upgrade merge grant permit format run call script command shell schedule
    trigger start stop fork click store set order email message mail comment commit reply invite
    transfer refund charge book purchase archive lock label tag type draft bulk mark log record
    deposit change import copy post patch open""".split()  # noqa: SIM905
)
_JOINING = frozenset(("and", "or", "then"))

METHODS = {
    "get": "read",
    "head": "read",
    "options": "read",
    "trace": "read",
    "query": "read",
    "post": "write",
    "put": "write",
    "patch": "write",
    "delete": "delete",
    "connect": "execute",
}
"""HTTP methods (RFC 9110 section 9, RFC 5789 for PATCH)."""


def capability_of(method: str) -> str:
    """What an HTTP method does (RFC 9110 section 9); an unknown one executes."""
    return METHODS.get(method.lower(), "execute")


_STRICTEST = ("delete", "execute", "write", "read")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_MIXED = re.compile(r"[A-Za-z][^\W\d_A-Za-z]|[^\W\d_A-Za-z][A-Za-z]")
_LOOKALIKE = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")


def capability(type: str, protocol: str = "python", params: Mapping[str, Any] | None = None) -> str:
    """read, write, delete, deploy, approve or execute.

    For the protocol `http` the method decides: `params["method"]` or the type's own word, the
    stricter where both are given. A model call (`llm`) is `execute`: it changes nothing by itself.
    """
    if protocol == "llm":
        return "execute"
    if protocol == "http":
        method = params.get("method") if params else None
        return _of_method(type, method if isinstance(method, str) else "")
    return _of_name(type)


def words(name: str) -> list[str]:
    """The words of a name in lower case; compatibility forms decomposed (NFKD, UAX #15), marks
    and invisible characters dropped.
    """
    return [word.lower() for word in _WORD.findall(_plain(name))]


def _plain(name: str) -> str:
    if name.isascii() and name.isprintable():
        return name
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(c for c in decomposed if unicodedata.category(c) not in ("Cf", "Cc", "Mn"))


@lru_cache(maxsize=MEMO_MAX)
def _of_method(type: str, method: str) -> str:
    if len(type) > NAME_MAX or len(method) > NAME_MAX:
        return "delete"
    found = [METHODS[word] for word in (*words(method), *words(type)) if word in METHODS]
    return min(found, key=_STRICTEST.index) if found else _of_name(type)


@lru_cache(maxsize=MEMO_MAX)
def _of_name(name: str) -> str:
    if len(name) > NAME_MAX or _disguised(name):
        return "delete"
    ranks: list[int] = []
    reads = False
    before = ""
    for word in words(_tool_part(name)):
        rank = _RANK.get(word)
        if rank is not None and not (reads and word in _NOUNS and before not in _JOINING):
            ranks.append(rank)
            reads = reads or rank == _READ
        before = word
    return _VERBS[min(ranks)][0] if ranks else "execute"


def _disguised(name: str) -> bool:
    if name.isascii():
        return False
    return any(
        unicodedata.name(char, "").startswith(_LOOKALIKE)
        for pair in _MIXED.findall(_plain(name))
        for char in pair
    )


def _tool_part(name: str) -> str:
    """The name without the server of `mcp__server__tool`."""
    parts = name.split("__", 2)
    return parts[2] if len(parts) == 3 and parts[0].lower() == "mcp" else name
