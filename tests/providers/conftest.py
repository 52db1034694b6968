"""The upstream process, once per test session."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


class Upstream:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def seen(self) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=5) as reply:
            return json.load(reply)


@pytest.fixture(scope="session")
def upstream():
    script = Path(__file__).with_name("upstream_process.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Upstream(process)
        process.kill()
