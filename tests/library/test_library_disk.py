"""A program whose disk fills up: refusals while it is full, one line at the end, no traceback."""

import os
import subprocess
import sys

FULL = """
import resource, time, aegis
aegis.init(config={"policy": {"defaults": {"approval": "auto"}, "rules": []}})

@aegis.monitor
def read_it(number):
    return number

with aegis.agent_context("Bot"):
    read_it(1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    for _ in range(500):
        try:
            read_it(2)
            time.sleep(0.01)
        except aegis.AegisError as error:
            print("refused:", error)
            break
"""

FREED = """
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with aegis.agent_context("Bot"):
    for _ in range(100):
        try:
            print("performed:", read_it(3))
            break
        except aegis.AegisError:
            time.sleep(0.1)
"""


def run(program, home):
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=home,
        # what counts lines in child processes could not write its own file either
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_was_not_stored_is_one_line_at_exit(home):
    done = run(FULL, home)
    assert "refused:" in done.stdout, done
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("aegis:")]
    assert len(said) == 1, done.stderr
    assert "not stored" in said[0]


def test_it_goes_on_once_there_is_space(home):
    done = run(FULL + FREED, home)
    assert "performed: 3" in done.stdout, done
    assert done.stderr == "" or "works again" in done.stderr, done.stderr
