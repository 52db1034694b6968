"""A folder to work in, and the command line in it."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from aegis.cli.main import run

AEGIS = "from aegis.cli.main import main; main()"
"""The command line as `python -c` runs it: whichever Aegis this interpreter imports."""


class Done:
    """What a command left: its exit code and what it said."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory without configuration, and an environment without overrides."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("AEGIS"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def aegis(folder):
    """The command line in this process."""

    def call(*arguments, code=0):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            got = run([str(argument) for argument in arguments])
        done = Done(got, out.getvalue(), err.getvalue())
        assert "Traceback" not in done.err
        assert code is None or got == code, done
        return done

    return call


@pytest.fixture
def process(folder):
    """The command line as users call it: a process, without a terminal on standard input."""

    def call(*arguments, code=0, env=None, timeout=60):
        done = subprocess.run(
            [sys.executable, "-c", AEGIS, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(env or {})},
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, done
        return Done(done.returncode, done.stdout, done.stderr)

    return call
