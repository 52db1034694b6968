"""Loads a configuration: finds the file, lays the environment over it, resolves secrets, checks
everything, and says all that is wrong at once.

Order of precedence: environment (`AEGIS__…`), file, defaults. What comes out is complete: no
other part of Aegis reads the file or these variables.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import AegisError, CallerError, ConfigError, PluginError, PolicyError, Problem
from ..policy import Policy
from ..policy.document import read_document
from ..policy.source import Node, from_plain, parse_yaml
from . import discover, overrides, upstreams
from .channels import check_channels, spell_out
from .gate_settings import check_gates
from .grants import check_credentials, check_tickets
from .guard_options import check_guards
from .options import below
from .settings import Settings
from .typed import Path as Path_
from .typed import Reader, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = ("aegis.yaml", "aegis.yml")
"""Names looked for, in this order, in each folder."""

PARENTS_MAX = 5
"""Folders above the working directory that are searched."""

BYTES_MAX = 1 << 20
"""Largest configuration file: reading YAML takes seconds per megabyte."""

SECRET = "secret://"  # noqa: S105 - the scheme of references, not a secret

SCHEMES = ("http://", "https://", SECRET)
"""How the address of a provider begins."""

POLICY_KEYS = ("policy", "tool_policies", "agents")
"""Sections that the policy engine reads."""

_POLICY_ONLY = frozenset(("rules", "defaults", "plan_rules", "scope", "agents", "tool_policies"))

MOVED = {
    "audit": "evidence is configured under `ledger`",
    "defaults": "this is a policy; put it under `policy`, or name its file in `policy.path`",
    "guards": "they are called `guardrails`",
    "keys": "keys are made with `aegis keys create`",
    "logging": "it is called `log`",
    "rules": "this is a policy; put it under `policy`, or name its file in `policy.path`",
}
"""Hints for keys that stand elsewhere."""


class Loaded(msgspec.Struct, frozen=True):
    """A configuration that passed every check.

    `source` is its file (empty: defaults only), `base` the folder
    that relative paths count from, `overrides` the variables that took effect, `files` every
    file that was read, `policy` the compiled policy (None where none is configured). In
    `settings`, `home` is absolute, and `policy` is the one canonical document, with the agents'
    lists and tool policies in it.
    """

    settings: Settings
    source: str = ""
    base: str = "."
    overrides: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    policy: Policy | None = None


def load(
    path: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    *,
    cwd: str | os.PathLike[str] | None = None,
    resolve: bool = True,
) -> Loaded:
    """The configuration of a path, of `AEGIS_CONFIG`, or found from the working directory up;
    defaults where there is none.

    Without `resolve`, secret references stay as they are: for checking a file on a machine that
    has no access to its secrets. Raises ConfigError with every problem.
    """
    env = os.environ if env is None else env
    folder = Path(cwd) if cwd is not None else Path.cwd()
    named = path or env.get("AEGIS_CONFIG", "")
    file = folder / expanded(named) if named else find(folder)
    if file is None:
        return parse("", "", env=env, base=folder, resolve=resolve)
    root = filled(read_text(file), str(file))
    return parse(root, str(file), env=env, base=file.parent, resolve=resolve)


def parse(
    document: str | Mapping[str, Any] | Node,
    source: str = "<config>",
    *,
    env: Mapping[str, str] | None = None,
    base: str | os.PathLike[str] = ".",
    resolve: bool = True,
) -> Loaded:
    """The configuration in a text, a plain mapping, or a tree of `read`, with the overrides of
    `env` (default: none). Raises ConfigError with every problem.
    """
    folder = Path(base).absolute()
    root = upstreams.lifted(document if isinstance(document, Node) else read(document, source))
    places = overrides.apply(root, env or {})
    spell_out(root)
    secrets = _Secrets(folder) if resolve else None
    reader = Reader(
        source or "<defaults>", places=places, secret=secrets.get if secrets else None, moved=MOVED
    )
    settings = reader.read(Settings, root)
    _check(root, reader)
    problems: list[Problem] = list(reader.problems)
    files = [source] if source and not isinstance(document, dict) else []
    policy = None
    try:
        policy = _policy(root, source, folder, files)
    except ConfigError as error:
        problems.extend(error.problems)
    if problems or settings is None:
        raise ConfigError(sorted(problems, key=_position))
    settings = msgspec.structs.replace(
        settings,
        home=str(folder / expanded(settings.home)),
        policy=policy.to_dict() if policy is not None else None,
        tool_policies=None,
        agents=None,
    )
    return Loaded(
        settings,
        source,
        str(folder),
        tuple(places.values()),
        tuple(files),
        policy,
    )


def find(folder: Path) -> Path | None:
    """The nearest configuration file, from a folder at most PARENTS_MAX folders up.

    Raises ConfigError for a file above the folder that belongs to somebody else: whoever can
    write to a shared parent would otherwise write the policy.
    """
    folder = folder.absolute()
    for level, parent in enumerate((folder, *folder.parents)):
        if level > PARENTS_MAX:
            break
        for name in FILES:
            file = parent / name
            try:
                found = file.stat()
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode):
                continue  # keeps the name free while a command runs (`surfaces/gates/keeping.py`)
            if level and hasattr(os, "getuid") and found.st_uid not in (0, os.getuid()):
                hint = f"pass `--config {file}` if you trust it"
                raise ConfigError(
                    [
                        Problem(
                            "found above the folder, owned by another user",
                            source=str(file),
                            hint=hint,
                        )
                    ]
                )
            return file
    return None


def is_policy(root: Node) -> bool:
    """Whether a document is a policy on its own: it has keys that only a policy has."""
    keys = root.value if isinstance(root.value, dict) else {}
    own = {field.name for field in type_of(Settings).fields} - set(POLICY_KEYS) - {"version"}
    return "policy" not in keys and not own.intersection(keys) and bool(_POLICY_ONLY & set(keys))


def read_text(file: Path) -> str:
    """A whole configuration or policy file. Raises ConfigError."""
    try:
        # looked at before opening: a pipe or device would block, or never end
        if not stat.S_ISREG(file.stat().st_mode):
            raise ConfigError([Problem("is no regular file", source=str(file))])
        with file.open("rb") as handle:
            data = handle.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        missing = isinstance(error, FileNotFoundError) and file.name in FILES
        hint = "`aegis init` writes one" if missing else ""
        message = f"cannot be read: {str(reason).lower()}"
        raise ConfigError([Problem(message, source=str(file), hint=hint)]) from None
    if len(data) > BYTES_MAX:
        raise ConfigError([Problem(f"is larger than {BYTES_MAX} bytes", source=str(file))])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(
            [Problem("is not UTF-8 text", source=str(file), line=line, column=column)]
        ) from None


def read(document: str | Mapping[str, Any], source: str) -> Node:
    """The tree of a document, with the place of every value. Raises ConfigError."""
    try:
        if isinstance(document, str):
            root = parse_yaml(document, source)
        else:
            root = from_plain(dict(document), source)
    except PolicyError as error:
        # the reader of documents belongs to the policy engine; here it read a configuration
        raise ConfigError(error.problems) from None
    if root.value is None:
        root.value = {}
    return root


def filled(text: str, source: str) -> Node:
    """The tree of a file that says something. One that says nothing is refused: it may be about to
    be written, and the defaults permit what its policy would not. Raises ConfigError.
    """
    root = read(text, source)
    if not root.value:
        hint = "write one with `aegis init`, or begin with `rules:`"
        raise ConfigError([Problem("holds nothing", source=source, hint=hint)])
    return root


def _policy(root: Node, source: str, base: Path, files: list[str]) -> Policy | None:
    """The compiled policy; None where the document says nothing about one.

    The policy engine reads the nodes of this very document, so its complaints carry the right
    places. Raises ConfigError.
    """
    top: dict[str, Node] = {
        key: root.value[key]
        for key in POLICY_KEYS
        if isinstance(root.value, dict) and key in root.value and root.value[key].value is not None
    }
    if not top:
        return None
    section = top.get("policy")
    if section is not None and (
        isinstance(section.value, str)
        or (isinstance(section.value, dict) and "path" in section.value)
    ):
        return _policy_file(top, source, base, files)
    if section is None:
        top["policy"] = Node({}, root.line, root.column)
    else:
        files += [str(base / name) for name in _texts(section, "rules_path")]
    part = Node(top, root.line, root.column)
    part.keys = root.keys
    return Policy(*read_document(part, source or str(base / "<config>")))


def _policy_file(top: dict[str, Node], source: str, base: Path, files: list[str]) -> Policy:
    """The policy in the file that `policy.path` names (`policy: FILE` says the same)."""
    section = top["policy"]
    whole = isinstance(section.value, str)
    node = section if whole else section.value["path"]
    path = "policy" if whole else "policy.path"

    def refuse(message: str, hint: str = "") -> ConfigError:
        place = {"line": node.line, "column": node.column}
        return ConfigError([Problem(message, source=source, path=path, hint=hint, **place)])

    if not isinstance(node.value, str) or not node.value.strip():
        raise refuse("has to be the path of a file")
    beside = [] if whole else [key for key in section.value if key != "path"]
    beside += [key for key in top if key != "policy"]
    if beside:
        names = ", ".join(f"`{key[:80]}`" for key in beside)
        raise refuse(f"{names} beside it has no effect", "move it into that file")
    try:
        file = base / expanded(node.value)
    except CallerError as error:
        raise refuse(str(error)) from None
    files.append(str(file))
    return Policy.from_text(read_text(file), str(file))


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with `~` expanded. Raises CallerError where nobody has that name, or this user has no
    home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        name = Path(path).parts[0][:80]
        raise CallerError(f"`{name}` is nobody's home folder; write the path in full") from None


def _texts(section: Node, key: str) -> list[str]:
    node = section.value.get(key) if isinstance(section.value, dict) else None
    nodes = node.value if node is not None and isinstance(node.value, list) else [node]
    return [item.value for item in nodes if item is not None and isinstance(item.value, str)]


def _position(problem: Problem) -> tuple[str, int, int]:
    return (problem.source, problem.line, problem.column)


def _check(root: Node, reader: Reader) -> None:
    """What one field's type cannot say: that named plugins are there, that addresses are some."""
    check_guards(root, reader)
    for path, node in _children(root, "providers"):
        fields = node.value if isinstance(node.value, dict) else {}
        if "type" in fields:
            _named(reader, (*path, "type"), fields["type"], "provider")
        url = fields.get("base_url")
        text = url.value if url is not None else ""
        if url is not None and isinstance(text, str) and text and not text.startswith(SCHEMES):
            message = "has to begin with http:// or https://"
            reader.complain((*path, "base_url"), url, message)
    for path, node in _children(root, "ledger"):
        if path[-1] == "store":
            _named(reader, path, node, "store")
    check_channels(root, reader)
    check_credentials(root, reader)
    check_tickets(root, reader)
    upstreams.check(root, reader)
    check_gates(root, reader)
    home = below(root, "home")
    if home is not None and isinstance(home.value, str):
        if not home.value.strip():
            reader.complain(("home",), home, "has to name a folder")
        try:
            expanded(home.value)
        except CallerError as error:
            reader.complain(("home",), home, str(error))
    sinks = below(root, "sinks")
    for index, item in enumerate(sinks.value if sinks and isinstance(sinks.value, list) else ()):
        _named(reader, ("sinks", index), item, "sink")


def _children(root: Node, section: str) -> list[tuple[Path_, Node]]:
    node = root.value.get(section) if isinstance(root.value, dict) else None
    below = node.value if node is not None and isinstance(node.value, dict) else {}
    return [((section, key), item) for key, item in below.items()]


def _named(reader: Reader, path: Path_, node: Node, kind: str) -> None:
    name = node.value
    if isinstance(name, str) and not name.startswith(SECRET):
        try:
            discover.find(kind, name)
        except PluginError as error:
            reader.complain(path, node, str(error))


class _Secrets:
    """Resolves references; each provider is made once, each reference asked once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._providers: dict[str, Any] = {}
        self._values: dict[str, str] = {}

    def get(self, reference: str) -> str:
        """The secret. Raises ValueError with a complaint that never holds a secret's value."""
        if reference in self._values:
            return self._values[reference]
        name, _, path = reference.removeprefix(SECRET).partition("/")
        if not name or not path:
            raise ValueError(f"`{reference}` has to be {SECRET}PROVIDER/PATH")
        try:
            if name not in self._providers:
                self._providers[name] = discover.load("secrets", name)(self._base)
            value = self._providers[name].get(path)
        except AegisError as error:
            raise ValueError(str(error)) from None
        except Exception as error:
            # a provider's own failure; its text may hold what it was asked for, so only the kind
            raise ValueError(
                f"secrets plugin `{name}` failed on `{reference}` with {type(error).__name__}"
            ) from error
        if not isinstance(value, str):
            raise ValueError(f"secrets plugin `{name}` returned no text for `{reference}`")
        self._values[reference] = value
        return value
