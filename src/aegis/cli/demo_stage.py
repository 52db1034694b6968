"""Where `aegis demo` plays: a folder of its own, and the real commands run in it.

Nothing here knows the kernel. Every step is a process a user could start: the `aegis` command,
an agent's program, a gateway on a loopback port.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model import CallerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

COMMAND_SECONDS = 60.0
"""Longest run of one command. They take a fraction of a second; a laden machine takes longer."""

GRACE_SECONDS = 5.0
"""How long a process may take to end by itself before it is ended."""

POLL_SECONDS = 0.05
"""Between two looks at something that is about to happen."""

OUTPUT_MAX = 4 * 1024 * 1024
"""Most bytes read of what one process printed."""

AEGIS = ("-P", "-c", "from aegis.cli.main import main; main()")
"""The `aegis` command of this very installation, whether or not it is on the PATH."""

AGENT = "agent.py"


class Differs(Exception):
    """A scene did not end as it should have; the text says how."""


class Ended:
    """What a finished command left: exit code and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def json(self) -> Any:
        """Standard output as JSON. Raises Differs where it is none."""
        try:
            return json.loads(self.out)
        except ValueError:
            raise Differs(f"expected JSON, got `{self.out[:200]}`") from None

    @property
    def said(self) -> str:
        """Everything it printed."""
        return f"{self.out}\n{self.err}".strip()


class Agent:
    """A running agent program, and the events it has printed so far; what it says besides goes
    to `errors`.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: Path, errors: Path) -> None:
        self._process = process
        self._output = output
        self._errors = errors

    def events(self) -> list[dict[str, Any]]:
        """The whole lines it has printed. Raises Differs for lines that are no events."""
        with self._output.open("rb") as file:
            text = file.read(OUTPUT_MAX).decode("utf-8", "replace")
        found = []
        for line in text.split("\n")[:-1]:
            try:
                found.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                raise Differs(f"the agent failed: {_last_line(text)}") from None
        return found

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event of a kind. Raises Differs where it does not come."""
        deadline = time.monotonic() + COMMAND_SECONDS
        while True:
            over = self._process.poll() is not None
            found = next(filter(wanted, self.events()), None)
            if found is not None:
                return found
            if over or time.monotonic() > deadline:
                how = f"exit {self._process.returncode}" if over else "no answer in time"
                said = _last_line(self._errors.read_text("utf-8", "replace")[:OUTPUT_MAX])
                raise Differs(f"the agent did not get that far ({how}): {said}")
            time.sleep(POLL_SECONDS)

    def end(self) -> list[dict[str, Any]]:
        """All its events, once it has ended. Raises Differs where it does not end."""
        try:
            self._process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise Differs("the agent did not end") from None
        return self.events()


class Stage:
    """A folder with a configuration and an agent in it; ends every process it started.

    `folder` is made and kept; without one, a temporary folder is used and removed. `program` is
    the name of the module that is the agent.
    """

    def __init__(self, folder: Path | None, program: str) -> None:
        self._kept = folder
        self._program = program
        self.folder = Path()
        self._logs = Path()
        self._running: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def __enter__(self) -> Stage:
        if self._kept is None:
            self.folder = Path(tempfile.mkdtemp(prefix="aegis-demo-"))
        else:
            if self._kept.exists() and (not self._kept.is_dir() or any(self._kept.iterdir())):
                raise CallerError(f"`{self._kept}` exists already; name a folder that is new")
            self._kept.mkdir(parents=True, exist_ok=True)
            self.folder = self._kept.resolve()
        self._logs = Path(tempfile.mkdtemp(prefix="aegis-demo-logs-"))
        spec = find_spec(self._program)
        if spec is None or spec.origin is None:
            raise CallerError("the demo's agent is not part of this installation")
        shutil.copyfile(spec.origin, self.folder / AGENT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._running):
            _end(process)
        shutil.rmtree(self._logs, ignore_errors=True)
        if self._kept is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def aegis(self, *arguments: str) -> Ended:
        """Run `aegis …` to its end. Raises Differs where it does not end in time."""
        return self._ended((*AEGIS, *arguments))

    def mask_arguments(self) -> None:
        """Have personal data masked in the arguments of tools, too: this agent's tools write to
        customers. Raises Differs where `aegis init` wrote something else than expected.
        """
        file = self.folder / "aegis.yaml"
        text = file.read_text("utf-8")
        line = "pii: { enabled: true, action: mask }"
        if line not in text:
            raise Differs(f"aegis.yaml has no `{line}`")
        masking = "pii: { enabled: true, action: mask, options: { arguments: mask } }"
        file.write_text(text.replace(line, masking), "utf-8")

    def agent(self, *arguments: str) -> Agent:
        """Start the agent's program."""
        output, errors = (self._logs / f"agent-{self._started}.{name}" for name in ("out", "err"))
        return Agent(self._start((AGENT, *arguments), output, errors), output, errors)

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """A gateway on a free loopback port while the block runs; its URL."""
        port = _free_port()
        log = self._logs / "serve"
        process = self._start((*AEGIS, "serve", "--port", str(port)), log)
        try:
            url = f"http://127.0.0.1:{port}"
            self._ready(process, url, log)
            yield url
        finally:
            _end(process)

    def post(self, url: str, key: str, body: Any) -> tuple[int, Mapping[str, str], Any]:
        """POST JSON: status, headers and the decoded answer. Raises Differs where none comes."""
        import httpx2

        try:
            with httpx2.Client(trust_env=False, timeout=COMMAND_SECONDS) as client:
                answer = client.post(url, json=body, headers={"authorization": f"Bearer {key}"})
                return answer.status_code, answer.headers, answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Differs(f"`{url}` gave no answer: {error}") from None

    def _ready(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        import httpx2

        deadline = time.monotonic() + COMMAND_SECONDS
        with httpx2.Client(trust_env=False, timeout=COMMAND_SECONDS) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    if client.get(f"{url}/health/readiness").status_code == 200:
                        return
                except httpx2.HTTPError:
                    pass  # not listening yet
                time.sleep(POLL_SECONDS)
        raise Differs(f"the gateway did not start: {_last_line(log.read_text('utf-8', 'replace'))}")

    def _ended(self, command: tuple[str, ...]) -> Ended:
        output, errors = (self._logs / f"{self._started}.{name}" for name in ("out", "err"))
        process = self._start(command, output, errors)
        try:
            code = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            raise Differs(f"`{_shown(command)}` did not end in time") from None
        texts = [path.read_bytes()[:OUTPUT_MAX] for path in (output, errors)]
        output.unlink()
        errors.unlink()
        return Ended(code, *(text.decode("utf-8", "replace") for text in texts))

    def _start(
        self, command: tuple[str, ...], output: Path, errors: Path | None = None
    ) -> subprocess.Popen[bytes]:
        self._started += 1
        with output.open("wb") as out, (errors or Path(os.devnull)).open("wb") as err:
            # a session of its own: Ctrl-C reaches this process, which ends the others in order
            process = subprocess.Popen(  # noqa: S603 - this interpreter, our own words
                [sys.executable, *command],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err if errors else subprocess.STDOUT,
                start_new_session=True,
            )
        self._running = [p for p in self._running if p.poll() is None]
        self._running.append(process)
        return process


def _environment() -> dict[str, str]:
    """The caller's, without what would lead to the caller's own Aegis."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS")}
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1", "NO_COLOR": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _shown(command: tuple[str, ...]) -> str:
    return " ".join(("aegis", *command[len(AEGIS) :]))


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
