"""Runs what the pages tell readers to type: `python tools/snippets.py README.md docs/…`.

Every page gets a directory of its own, and its fenced blocks run there in order:

- `python`: runs as a program of its own. With a first line `# file: NAME` it is written to NAME.
- `sh`: lines that begin with `$ ` run in one shell per block; each must exit 0, or with the
  number of a trailing `# exit N`. A line that ends in `&` stays in the background until the page
  ends. Lines without `$ ` are the output to expect, in order; `…` stands for anything. A block
  without any `$ ` line is only checked for shell syntax.
- `yaml`, `json`, `toml`: parsed; with a first line `# file: NAME` (or `// file: NAME`) written.
- `text` and blocks without a language are not touched. Any other language is a fault, so that a
  typing mistake does not switch a check off.

The port 8080 of the examples is replaced by a free one, so pages can run side by side.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

SECONDS_MAX = 180
"""Longest run of one block, on a machine that others use too; the longest takes a tenth of it."""

PORT = "8080"
"""The port examples use."""

LANGUAGES = frozenset({"python", "sh", "yaml", "json", "toml", "text", ""})

_OPEN = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([\w-]*)")
_FILE = re.compile(r"^(?:#|//) file: (\S+)$")
_EXIT = re.compile(r"\s+# exit (\d+)$")


class Block(NamedTuple):
    """One fenced block: where it begins, its language, its text."""

    line: int
    language: str
    text: str


class Fault(Exception):
    """A block that does not do what the page says. `line` is the line within the page."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page. Raises Fault for one that is not closed."""
    found: list[Block] = []
    lines = page.splitlines()
    position = 0
    while position < len(lines):
        opened = _OPEN.match(lines[position])
        position += 1
        if opened is None:
            continue
        indent, fence, language = opened.groups()
        begin, inside = position, []
        while position < len(lines) and not lines[position].strip().startswith(fence):
            inside.append(lines[position].removeprefix(indent))
            position += 1
        if position == len(lines):
            raise Fault(begin, "code fence is never closed")
        position += 1
        found.append(Block(begin, language, "\n".join(inside) + "\n"))
    return found


def run_page(path: Path) -> int:
    """Run the blocks of one page; the number of blocks. Raises Fault at the first that fails."""
    found = blocks(path.read_text(encoding="utf-8"))
    port = str(_free_port())
    with tempfile.TemporaryDirectory(prefix="aegis-page-") as where:
        background: list[int] = []
        try:
            for block in found:
                _run(block._replace(text=block.text.replace(PORT, port)), Path(where), background)
        finally:
            for group in background:
                _end(group)
    return len(found)


def _run(block: Block, where: Path, background: list[int]) -> None:
    first, _, rest = block.text.partition("\n")
    if named := _FILE.match(first):
        (where / named.group(1)).write_text(rest, encoding="utf-8")
    if block.language not in LANGUAGES:
        raise Fault(block.line, f"unknown language `{block.language}` of a code fence")
    if block.language == "python":
        compile(block.text, "<page>", "exec")
        if not named:
            (where / "_block.py").write_text(block.text, encoding="utf-8")
            _checked(block, [sys.executable, "_block.py"], where)
    elif block.language == "sh":
        _shell(block, where, background)
    elif block.language in ("yaml", "json", "toml"):
        _parse(block._replace(text=rest if named else block.text))


def _parse(block: Block) -> None:
    try:
        if block.language == "yaml":
            list(YAML(typ="safe", pure=True).load_all(block.text))
        elif block.language == "json":
            json.loads(block.text)
        else:
            tomllib.loads(block.text)
    except (YAMLError, ValueError) as error:
        raise Fault(block.line, f"{block.language} does not parse: {error}") from None


def _shell(block: Block, where: Path, background: list[int]) -> None:
    lines = block.text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        checked = subprocess.run(
            ["bash", "-n"], input=block.text, text=True, capture_output=True, check=False
        )
        if checked.returncode:
            raise Fault(block.line, f"not shell: {checked.stderr.strip()}")
        return
    for number, command, expected in _commands(lines):
        _command(Block(block.line + number, "sh", command), expected, where, background)


def _commands(lines: list[str]) -> list[tuple[int, str, list[str]]]:
    """(line, command, expected output) of each `$ ` line; a trailing backslash continues it."""
    found: list[tuple[int, str, list[str]]] = []
    continued = False
    for number, line in enumerate(lines, 1):
        if continued:
            begun, command, expected = found[-1]
            found[-1] = (begun, f"{command}\n{line}", expected)
        elif line.startswith("$ "):
            found.append((number, line[2:], []))
        elif found and line.strip():
            found[-1][2].append(line)
        continued = line.endswith("\\") and (continued or line.startswith("$ "))
    return found


def _command(block: Block, expected: list[str], where: Path, background: list[int]) -> None:
    command, status = block.text, 0
    if asked := _EXIT.search(command):
        command, status = command[: asked.start()], int(asked.group(1))
    if command.rstrip().endswith("&"):
        started = subprocess.Popen(
            ["bash", "-c", "exec " + command.rstrip().removesuffix("&")],
            cwd=where,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=(where / "_background.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        background.append(started.pid)
        return
    output = _checked(block, ["bash", "-c", command], where, status)
    missing = _missing(expected, output)
    if missing:
        raise Fault(block.line, f"`{command}` does not print `{missing}`; it printed:\n{output}")


def _checked(block: Block, command: list[str], where: Path, status: int = 0) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=where,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Fault(block.line, f"block runs longer than {SECONDS_MAX} s") from None
    if done.returncode != status:
        log = where / "_background.log"
        served = f"\nin the background:\n{log.read_text()[-2000:]}" if log.exists() else ""
        raise Fault(
            block.line, f"exit {done.returncode}, not {status}:\n{done.stdout[-2000:]}{served}"
        )
    return done.stdout


def _missing(expected: list[str], output: str) -> str:
    """The first expected line that the output lacks, in order; `…` stands for anything."""
    printed = iter(output.splitlines())
    for line in expected:
        pattern = re.compile(".*".join(re.escape(part) for part in line.strip().split("…")))
        if line.strip() == "…":
            continue
        if not any(pattern.fullmatch(actual.strip()) for actual in printed):
            return line
    return ""


def _environment() -> dict[str, str]:
    """A clean environment: this Python's commands first, no settings of the person at the desk."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGTERM)
        os.waitpid(group, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def main(names: list[str]) -> int:
    status = 0
    for name in names:
        try:
            print(f"{name}: {run_page(Path(name))} blocks")
        except Fault as fault:
            print(f"{name}:{fault.line}: {fault}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
