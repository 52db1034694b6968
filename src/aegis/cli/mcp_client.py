"""`aegis mcp install` and `uninstall`: put Aegis into the configuration of an MCP client, and out.

Every server the client starts is started through `aegis mcp wrap` from then on. The file is backed
up first; uninstalling takes out exactly what was put in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from ..model import CallerError
from . import home, output
from .mcp import ENTRY

Client = Literal["claude", "cursor", "vscode", "windsurf"]

BACKUP = ".before-aegis"
"""What is added to a file's name for its backup."""

BYTES_MAX = 1 << 20
"""Largest file of a client that is edited."""

RUN, WRAP = ["mcp", "run"], ["mcp", "wrap"]
OWN = "aegis"
"""Name of the entry for the servers of the configuration."""

_CALLED = re.compile(r"[^A-Za-z0-9.-]+")
_URLS = ("url", "serverUrl", "httpUrl")
_REMOTE = frozenset({*_URLS, "type", "transport", "headers", "env"})
"""Members of the entry of a server at an address that make no sense for one that is started."""


def install(
    *,
    client: Client,
    config: Path | None = None,
    file: Path | None = None,
    local: bool = False,
    json: bool = False,
) -> int:
    """Put Aegis into the configuration of a client.

    Parameters
    ----------
    client
        whose configuration is edited
    config
        the aegis.yaml that governs
    file
        the client's file, where it is not in its usual place
    local
        leave servers alone that the client reaches by address; one of those that signs its user
        in (OAuth) cannot be reached through Aegis
    json
        print JSON
    """
    loaded = home.loaded(config)
    if not loaded.source:
        raise CallerError(
            "there is no configuration to govern by; `aegis init` writes one, or pass `--config`"
        )
    path = file or _place(client)
    before, document, key = _read(path, client)
    servers: dict[str, Any] = document.setdefault(key, {})
    program, source = _program(), str(Path(loaded.source).absolute())
    wrapped, left = [], []
    for name, entry in servers.items():
        if _ours(entry):
            continue
        ours = _replacement(name, entry, program, source, local)
        if ours is None:
            left.append(name)
            continue
        servers[name] = ours
        wrapped.append(name)
    if loaded.settings.mcp.upstreams and OWN not in servers:
        servers[OWN] = {"command": program, "args": [*RUN, "--config", source]}
        wrapped.append(OWN)
    if wrapped:
        data = _encoded(document, path)
        backup = path.with_name(path.name + BACKUP)
        if before is not None and not backup.exists():
            _write(backup, before, path)
        _write(path, data, path)
    _tell(path, {"governed": wrapped, "left": left}, json)
    return 0


def uninstall(*, client: Client, file: Path | None = None, json: bool = False) -> int:
    """Take Aegis out of the configuration of an MCP client.

    Parameters
    ----------
    client
        whose configuration is edited
    file
        the client's file, where it is not in its usual place
    json
        print JSON
    """
    path = file or _place(client)
    before, document, key = _read(path, client)
    servers: dict[str, Any] = document.get(key, {})
    freed, kept = [], []
    for name, entry in [each for each in servers.items() if _ours(each[1])]:
        plain = _unwrapped(entry)
        if plain is None and name != OWN:
            kept.append(name)  # somebody else wrote it: what it was before is not known
            continue
        freed.append(name)
        if plain is None:
            del servers[name]
        else:
            servers[name] = plain
    if before is not None and freed:
        backup = path.with_name(path.name + BACKUP)
        original = backup.read_bytes() if backup.exists() else b""
        same = bool(original) and _decoded(original, backup) == document
        _write(path, original if same else _encoded(document, path), path)
        if same:
            backup.unlink()
    _tell(path, {"freed": freed, "kept": kept}, json)
    return 0


def _place(client: Client) -> Path:
    """Where a client keeps its servers."""
    user = Path.home()
    if client == "cursor":
        return user / ".cursor" / "mcp.json"
    if client == "vscode":
        return Path.cwd() / ".vscode" / "mcp.json"
    if client == "windsurf":
        return user / ".codeium" / "windsurf" / "mcp_config.json"
    name = "claude_desktop_config.json"
    if sys.platform == "darwin":
        return user / "Library" / "Application Support" / "Claude" / name
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", user)) / "Claude" / name
    return Path(os.environ.get("XDG_CONFIG_HOME") or user / ".config") / "Claude" / name


def _read(path: Path, client: Client) -> tuple[bytes | None, dict[str, Any], str]:
    """The file's bytes (None where there is none), its document, and the key of its servers."""
    key = "servers" if client == "vscode" else "mcpServers"
    if not path.exists():
        return None, {}, key
    data = path.read_bytes()
    document = _decoded(data, path)
    if not isinstance(document.get(key, {}), dict):
        raise CallerError(f"`{path}`: `{key}` is no object; it was left as it is")
    return data, document, key


def _decoded(data: bytes, path: Path) -> dict[str, Any]:
    try:
        if len(data) > BYTES_MAX:
            raise ValueError(f"larger than {BYTES_MAX} bytes")
        document = json.loads(data or b"{}")
    except ValueError as error:
        raise CallerError(
            f"`{path}` is not plain JSON ({error}); take comments out, it was left as it is"
        ) from None
    if not isinstance(document, dict):
        raise CallerError(f"`{path}` holds no JSON object; it was left as it is")
    return document


def _encoded(document: dict[str, Any], path: Path) -> bytes:
    try:
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        raise CallerError(
            f"`{path}` holds half a surrogate pair (`\\ud800` to `\\udfff` alone), which is no "
            "text; take it out, the file was left as it is"
        ) from None


def _write(path: Path, data: bytes, like: Path) -> None:
    """Replace a file whole, with the permissions of another; the file may hold secrets.

    A link stays one: what it leads to is replaced.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = like.stat().st_mode & 0o777 if like.exists() else 0o600
    handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(handle, mode)
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _program() -> str:
    """The command that clients start, by its whole path: their PATH is another one."""
    beside = Path(sys.executable).with_name("aegis")
    found = str(beside) if beside.exists() else shutil.which("aegis")
    if not found:
        raise CallerError("the command `aegis` is not on the PATH; install it where clients see it")
    return found


def _replacement(
    name: str, entry: Any, program: str, source: str, local: bool
) -> dict[str, Any] | None:
    """What takes the place of a server's entry; None where it stays."""
    if not isinstance(entry, dict):
        return None
    if isinstance(entry.get("command"), str):
        return _wrapped(name, entry, program, source)
    url = next((entry[key] for key in _URLS if isinstance(entry.get(key), str)), "")
    if local or not url.startswith(("http://", "https://")):
        return None
    kind = entry.get("type") or entry.get("transport")
    transport = "sse" if kind == "sse" else "http"
    kept = {key: value for key, value in entry.items() if key not in _REMOTE}
    called = _CALLED.sub("-", name).strip("-.")[:40] or "server"
    args = [*WRAP, "--name", called, "--config", source, "--url", url, "--transport", transport]
    stashed = json.dumps(entry, ensure_ascii=False)
    return {**kept, "command": program, "args": args, "env": {ENTRY: stashed}}


def _wrapped(name: str, entry: dict[str, Any], program: str, source: str) -> dict[str, Any]:
    called = _CALLED.sub("-", name).strip("-.")[:40] or "server"
    options = [["--name", called], ["--config", source]]
    # the order says whether there was a list, which an empty one does not
    first, second = options if "args" in entry else options[::-1]
    ours = [*WRAP, *first, *second, "--"]
    args = entry.get("args", [])
    if not isinstance(args, list):
        raise CallerError(f"server `{name}`: `args` is no list; the file was left as it is")
    return {**entry, "command": program, "args": [*ours, entry["command"], *args]}


def _ours(entry: Any) -> bool:
    args = entry.get("args") if isinstance(entry, dict) else None
    command = entry.get("command") if isinstance(entry, dict) else None
    named = isinstance(command, str) and Path(command).name == "aegis"
    return named and isinstance(args, list) and args[:2] in (RUN, WRAP)


def _unwrapped(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The entry as it was; None for the one that was added."""
    args = entry["args"]
    env = entry.get("env")
    if isinstance(env, dict) and isinstance(env.get(ENTRY), str):
        with contextlib.suppress(ValueError):
            stashed = json.loads(env[ENTRY])
            return stashed if isinstance(stashed, dict) else None
    if args[:2] == RUN or "--" not in args:
        return None
    command, *rest = args[args.index("--") + 1 :]
    plain = {**entry, "command": command}
    if rest or args[2] == "--name":
        plain["args"] = rest
    else:
        del plain["args"]
    return plain


def _tell(path: Path, done: dict[str, list[str]], as_json: bool) -> None:
    if as_json:
        output.json({"file": str(path), **done})
        return
    for what, names in done.items():
        if what == "kept" and names:
            output.note(
                f"kept, since `aegis mcp install` did not write them: {', '.join(names)}; take "
                "them out by hand"
            )
        elif what == "left" and names:
            output.note(
                f"not governed, since the client reaches them itself: {', '.join(names)}; put them "
                "under `mcp.upstreams`"
            )
        elif what not in ("left", "kept"):
            output.say(f"{what} in {path}: {', '.join(names) or 'nothing'}")
