"""A home folder of its own for every test, opened by the first governed call."""

import os
import subprocess
import sys

import pytest

import aegis
from aegis.surfaces.library import process

PATIENCE = {"approvals": {"wait_seconds": 0.2}}
"""Nobody answers in these tests unless they say so."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty working directory, where Aegis has not been opened yet."""
    aegis.shutdown()
    process._agents.clear()
    for name in ("AEGIS_URL", "AEGIS_API_KEY", "AEGIS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AEGIS__APPROVALS__WAIT_SECONDS", "0.2")
    yield tmp_path
    aegis.set_monitor_hook(None)
    aegis.shutdown()
    process._agents.clear()


@pytest.fixture
def patient(monkeypatch):
    """Approvals wait for a person as long as a test may take."""
    monkeypatch.setenv("AEGIS__APPROVALS__WAIT_SECONDS", "20")


@pytest.fixture
def events():
    """Every event of the monitor hook."""
    seen = []
    aegis.set_monitor_hook(seen.append)
    return seen


@pytest.fixture
def child(home):
    """Runs a Python program in another process on the same home; gives its standard output."""

    def run(program, **env):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **env},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def records(**filters):
    """The decision records of this process, oldest first, as plain values."""
    from aegis.ledger.entry import Query

    journal = aegis.get().home.runtime.journal
    return [record.fields for record in journal.records(Query(**filters))]


@pytest.fixture
def ledger():
    """Reads the records of this process."""
    return records
