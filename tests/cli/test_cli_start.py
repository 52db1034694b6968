"""Help, start-up, exit codes, and the first verbs of a newcomer."""

import importlib
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aegis.cli.main import VERBS, app
from aegis.kernel import config

AEGIS = "from aegis.cli.main import main; main()"
ROOT = Path(__file__).resolve().parents[2]
ALL = [(words, target, line) for verbs in VERBS.values() for words, target, line in verbs]


def test_help_lists_every_verb(aegis):
    said = aegis("--help").out
    for words, _, line in ALL:
        first, _, second = words.partition(" ")
        listed = aegis(first, "--help").out if second else said
        name = second or first
        assert re.search(rf"\b{name} +{re.escape(line[:30])}", listed), words
    assert aegis().out == said


@pytest.mark.parametrize(("words", "target", "line"), ALL)
def test_the_line_in_the_list_is_how_the_help_of_the_verb_begins(words, target, line):
    module, _, name = target.partition(":")
    doc = getattr(importlib.import_module(f"aegis.cli.{module}"), name).__doc__
    assert doc.split()[0] == line.split()[0]


@pytest.mark.parametrize("words", [words for words, _, _ in ALL])
def test_the_page_shows_what_help_prints(words, aegis):
    page = (ROOT / "docs/reference/cli.md").read_text()
    said = "\n".join(line.rstrip() for line in aegis(*words.split(), "--help").out.splitlines())
    assert f"## `aegis {words}`\n\n```text\n{said}\n```" in page, "run `make docs`"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validte"], 'did you mean "validate"'),
        (["keys", "create"], "--name"),
        (["serve", "--port", "many"], "port"),
        (["audit", "--format", "xml"], "format"),
        (["version", "--bogus"], "--bogus"),
        (["keys", "bogus"], "bogus"),
        (["verify", "/nowhere/at/all"], "no such file"),
        (["serve", "--port", "70000"], "port 70000 does not exist"),
        (["audit", "--config", "none.yaml"], "cannot be read"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_sentence(aegis, arguments, said):
    done = aegis(*arguments, code=2)
    assert said.lower() in done.err.lower()
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1


def test_debug_shows_where_an_error_arose(folder):
    done = subprocess.run(
        [sys.executable, "-c", AEGIS, "--debug", "audit", "--config", "none.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" in done.stderr
    assert "none.yaml" in done.stderr


@pytest.mark.parametrize("arguments", [["version"], ["--version"], ["-V"]])
def test_version(aegis, arguments):
    assert re.fullmatch(r"aegis \d+\.\d+\.\d+\S*\n", aegis(*arguments).out)


def test_version_as_data(aegis):
    assert set(aegis("version", "--json").json) == {"aegis", "python"}


def best(arguments, env, rounds=5):
    """The least CPU time of several processes, in seconds: others on the machine matter little."""
    times = []
    for _ in range(rounds):
        running = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=env,
        )
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        assert running.returncode == 0
        times.append(usage.ru_utime + usage.ru_stime)
    return min(times)


def test_help_and_validate_start_fast(aegis, folder):
    """Some 200 ms where nothing else runs; held against what starting Python costs here."""
    aegis("init")
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    bare = best(["-c", "import json, inspect, ast, typing, email.message, importlib.metadata"], env)
    for verb in (["--help"], ["validate"]):
        assert best(["-c", AEGIS, *verb], env) < 4 * bare, verb


def test_help_imports_no_verb_and_no_engine(folder):
    code = (
        "import sys; from aegis.cli.main import run; run(['--help']);"
        "print([m for m in sys.modules if m.startswith('aegis.') and m.split('.')[1] in"
        " ('policy', 'detect', 'ledger', 'kernel', 'flow')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_every_verb_of_the_table_can_be_imported():
    tree = app()
    for words, _, _ in ALL:
        assert tree.parse_commands(words.split())[0] == tuple(words.split())


class TestInit:
    def test_writes_a_file_that_loads_and_a_private_home(self, aegis, folder):
        said = aegis("init").out
        assert "aegis.yaml" in said
        loaded = config.load(env={}, cwd=folder)
        assert loaded.policy is not None
        home = Path(loaded.settings.home)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert (home / ".gitignore").read_text().endswith("*\n")
        assert aegis("validate").out.endswith(f"policy {loaded.policy.version})\n")

    def test_does_not_overwrite_unless_told_to_and_keeps_a_copy(self, aegis, folder):
        (folder / "aegis.yaml").write_text("environment: mine")
        assert "`--force` replaces it" in aegis("init", code=2).err
        assert (folder / "aegis.yaml").read_text() == "environment: mine"
        aegis("init", "--force")
        assert (folder / "aegis.yaml.bak").read_text() == "environment: mine"

    def test_tightens_a_home_that_was_open(self, aegis, folder):
        (folder / ".aegis").mkdir(mode=0o755)
        aegis("init")
        assert stat.S_IMODE((folder / ".aegis").stat().st_mode) == 0o700

    def test_does_not_follow_a_link_somebody_laid(self, aegis, folder):
        (folder / "victim").write_text("precious")
        (folder / "aegis.yaml").symlink_to(folder / "victim")
        aegis("init", code=2)
        aegis("init", "--force")
        assert (folder / "victim").read_text() == "precious"

    def test_needs_the_folder_it_writes_to(self, aegis):
        assert "is no folder" in aegis("init", "--path", "none/aegis.yaml", code=2).err


def test_a_reader_that_goes_away_is_no_error(folder):
    code = "from aegis.cli.main import main; main(['schema', '--config'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.read(10)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 0


@pytest.mark.parametrize("closed", [">&-", "<&-", ">&- <&- 2>&-"])
def test_closed_standard_files_are_no_fault(folder, closed):
    code = "import sys; from aegis.cli.main import main; main(['why', 'read_x'])"
    shell = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, code], capture_output=True, cwd=folder, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_colour_and_boxes_stay_out_of_pipes(process, folder):
    process("init")
    done = process("simulate", "aegis.yaml", "read", env={"FORCE_COLOR": "", "TERM": "xterm"})
    assert "\x1b" not in done.out


INTERRUPTING = """
import os, runpy, signal, sys
_, module, *sys.argv = sys.argv

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script, and interrupts it as it begins to import a module."""


@pytest.mark.parametrize("module", ["aegis.cli.main", "aegis.model", "msgspec", "cyclopts"])
def test_an_interrupt_while_it_starts_is_no_traceback(folder, module):
    script = Path(sys.executable).with_name("aegis")
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTING, module, script, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_script_is_installed():
    script = Path(sys.executable).with_name("aegis")
    done = subprocess.run([script, "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("aegis ")
    assert os.access(script, os.X_OK)
