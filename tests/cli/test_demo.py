"""`aegis demo` plays its scenes with the real commands, and notices when one ends otherwise."""

import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
AEGIS = [sys.executable, "-P", "-c", "from aegis.cli.main import main; main()"]

ROWS = [
    r"look up an order +ALLOW +\d",
    r"send a card number +SANITIZE +\d",
    r"delete a customer +REVIEW +\d",
    r"ask a model +ALLOW +\d",
    r"inject a prompt +BLOCK +\d",
    r"stop a running agent +KILLED +\d",
    r"verify the evidence +VERIFIED",
    r"change one byte +CAUGHT .*hash-mismatch",
    r"cut the end off +CAUGHT .*tail-truncated",
]


@pytest.fixture
def place(tmp_path):
    """A folder with a configuration that must not be used, and one for temporary files."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "aegis.yaml").write_text("this: [is, broken\n")
    return tmp_path


def environment(place, **more):
    env = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS")}
    return {
        **env,
        "PYTHONPATH": str(ROOT / "src"),
        "TMPDIR": str(place / "tmp"),
        "AEGIS_URL": "http://127.0.0.1:9/nobody-listens-here",
        "AEGIS__SERVER__PORT": "not a number",
        "http_proxy": "http://127.0.0.1:9",
        **more,
    }


def demo(place, *arguments, **more):
    return subprocess.run(
        [*AEGIS, "demo", *arguments],
        cwd=place,
        env=environment(place, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )


def test_every_scene_ends_as_it_should_and_the_kept_folder_can_be_used(place):
    done = demo(place, "--keep", "kept", COLUMNS="200", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    table = done.stdout.partition("what was tried")[2]
    for row in ROWS:
        assert re.search(row, table), f"no `{row}` in\n{done.stdout}"
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert list((place / "tmp").iterdir()) == []
    assert sorted(path.name for path in place.iterdir()) == ["aegis.yaml", "kept", "tmp"]

    env = environment(place)
    del env["AEGIS_URL"], env["AEGIS__SERVER__PORT"]
    verify = [*AEGIS, "verify", "evidence.txt"]
    checked = subprocess.run(verify, cwd=place / "kept", env=env, capture_output=True, check=False)
    assert checked.returncode == 0
    again = demo(place, "--keep", "kept")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_scene_that_ends_otherwise_fails_the_demo(place):
    """The agent's tools are called something else, so every scene with the agent differs."""
    package = place / "src"
    shutil.copytree(ROOT / "src", package)
    agent = package / "aegis/cli/demo_agent.py"
    agent.write_text(agent.read_text().replace("is on its way", "is lost"))
    done = demo(place, PYTHONPATH=str(package))
    assert done.returncode == 1
    assert "should be `order 1042 is on its way`" in " ".join(done.stdout.split())
    assert re.search(r"an allowed call +FAILED", done.stdout)
    assert re.search(r"stop a running agent +KILLED", done.stdout)
    assert list((place / "tmp").iterdir()) == []


def test_a_terminal_shows_colour_and_an_interrupt_cleans_up(place):
    """Ctrl-C while the gateway runs: nothing stays, no process and no file."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execve(sys.executable, [*AEGIS, "demo"], environment(place, TERM="xterm-256color"))
    shown = b""
    deadline = time.monotonic() + 100
    while b"speaks the OpenAI protocol" not in shown and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    assert b"\x1b[32mALLOW" in shown
    children = psutil.Process(pid).children(recursive=True)
    assert any("serve" in child.cmdline() for child in children)
    os.write(terminal, b"\x03")
    code = ended(pid, terminal)
    assert code == 130
    psutil.wait_procs(children, timeout=5)
    assert not [child for child in children if child.is_running()]
    assert list((place / "tmp").iterdir()) == []


INCIDENTS = [
    r"fixture without Aegis +HARM +the server of a stranger was sent",
    r"fixture with Aegis +BLOCK +\d+ +http_post refused: secret_leaves",
    r"fixture's evidence +VERIFIED",
    r"drift without Aegis +HARM +the release pipeline runs no tests",
    r"drift with Aegis +BLOCK +\d+ +write_file refused: <manifest:docs>",
    r"drift with Aegis +BLOCK +\d+ +run_sql refused: <manifest:docs>",
    r"drift's evidence +VERIFIED",
    r"ticket without Aegis +HARM +the table invoices is gone",
    r"ticket with Aegis +BLOCK +\d+ +run_sql refused: tables_stay",
    r"ticket's evidence +VERIFIED",
]


def test_each_incident_does_its_harm_without_aegis_and_none_with_it(place):
    done = demo(place, "incidents", "--plain", "--keep", "kept")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    table = done.stdout.partition("what happened ")[2]
    for row in INCIDENTS:
        assert re.search(row, table), f"no `{row}` in\n{done.stdout}"
    assert list((place / "tmp").iterdir()) == []
    # the stories end in the place as it is with Aegis: nothing is harmed
    kept = place / "kept"
    assert "tests" in (kept / ".github/workflows/release.yml").read_text()
    with closing(sqlite3.connect(kept / "shop.db")) as database:
        assert database.execute("SELECT paid FROM invoices").fetchall() == [(0,)]


def test_a_policy_that_stops_nothing_fails_the_incidents(place):
    """The same stories under rules that refuse nothing: the harm is noticed, the demo fails."""
    package = place / "src"
    shutil.copytree(ROOT / "src", package)
    config = package / "aegis/cli/demo_incidents.yaml"
    text = (
        config.read_text().replace("enforce", "shadow").replace("verdict: block", "verdict: allow")
    )
    config.write_text(text.replace("flows: standard", "flows: off"))
    done = demo(place, "incidents", PYTHONPATH=str(package))
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "the harm with Aegis should be ``, is `the server of a stranger was sent" in said
    assert "the harm with Aegis should be ``, is `the table invoices is gone`" in said
    assert "3 of 3 scenes did not end as they should" in said


def ended(pid, terminal):
    """The exit code of a child whose terminal is read to the end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            with suppress(OSError):  # the other end may be closed
                os.read(terminal, 65536)
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            os.close(terminal)
            return os.waitstatus_to_exitcode(status)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the demo did not end")
