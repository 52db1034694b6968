"""Opening, closing, forking, configurations of every origin, evidence at exit."""

import asyncio
import multiprocessing
import os
import sqlite3
import subprocess
import sys

import pytest

import aegis
from aegis import CallerError, ConfigError, LedgerError

ALLOW = {"policy": {"rules": [{"name": "open", "match": {"type": "*"}, "approval": "auto"}]}}


@aegis.guard(action_type="work")
def work(n=1):
    return n


def rows(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT count(*) FROM entry").fetchone()[0]


def test_opened_by_the_first_call_and_again_after_shutdown(home):
    assert work() == 1
    first = aegis.get()
    assert aegis.init() is first
    aegis.shutdown()
    aegis.shutdown()
    assert work() == 1
    assert aegis.get() is not first
    assert (home / ".aegis").stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in (home / ".aegis").glob("ledger*.db")) == ["ledger.db"]


def test_a_configuration_as_a_mapping(home):
    aegis.init(config={**ALLOW, "home": "elsewhere"})
    assert work(2) == 2
    assert (home / "elsewhere" / "ledger.db").exists()


@pytest.mark.parametrize(
    "text",
    [
        "policy:\n  rules: [{name: shut, approval: block}]\n",
        "rules: [{name: shut, approval: block}]\n",
    ],
)
def test_a_configuration_or_a_policy_by_its_path(home, text):
    (home / "mine.yaml").write_text(text)
    aegis.init("mine.yaml")
    with pytest.raises(aegis.BlockedError, match="shut"):
        work()


def test_what_cannot_be_loaded_is_said_with_its_place(home):
    (home / "aegis.yaml").write_text("polcy: {}\nlimits: {body_bytes: many}\n")
    with pytest.raises(ConfigError) as wrong:
        work()
    assert len(wrong.value.problems) == 2
    assert "aegis.yaml:1:1" in str(wrong.value)
    assert "did you mean `policy`" in str(wrong.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        aegis.init("none.yaml")
    with pytest.raises(CallerError, match="not both"):
        aegis.init("x.yaml", config={})
    with pytest.raises(ConfigError):
        aegis.init(config={"limits": {"body_bytes": "many"}})


def test_a_ledger_that_cannot_be_written_permits_nothing(home):
    (home / ".aegis").mkdir(mode=0o700)
    (home / ".aegis" / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError):
        work()


def test_the_end_of_the_process_keeps_everything(home):
    program = (
        "import aegis\n@aegis.guard\ndef work(n): return n\n"
        "for n in range(50): work(n)\nraise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=home, check=False)
    assert done.returncode == 3
    assert rows(home / ".aegis" / "ledger.db") == 100
    cli = os.path.join(os.path.dirname(sys.executable), "aegis")
    out = home / "bundle"
    for words in (["evidence", "export", "--out", out], ["verify", out]):
        done = subprocess.run([cli, *words], cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def in_child(queue):
    try:
        for n in range(20):
            work(n)
        queue.put(str(aegis.get().home.runtime.journal.store.path.name))
        aegis.shutdown()
    except BaseException as error:
        queue.put(repr(error))


def test_a_forked_child_has_a_lane_of_its_own(home):
    work()
    parent = aegis.get()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue,))
    child.start()
    for n in range(20):
        work(n)
    lane = queue.get(timeout=30)
    child.join(30)
    assert child.exitcode == 0
    assert lane == "ledger.1.db"
    assert aegis.get() is parent
    assert parent.home.runtime.journal.healthy
    aegis.shutdown()
    assert rows(home / ".aegis" / "ledger.db") == 42
    assert rows(home / ".aegis" / "ledger.1.db") == 40


def test_a_runtime_survives_a_fork_and_a_shutdown(home):
    class Executor(aegis.BaseExecutor):
        async def execute(self, action):
            return os.getpid()

    aegis.init(config=ALLOW)
    runtime = aegis.Runtime(executor=Executor())

    def once():
        return asyncio.run(runtime.run_one(aegis.Action("read"))).data

    assert once() == os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(once() == os.getpid()).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 1000) == b"True"
    os.close(reader)
    aegis.shutdown()
    aegis.init(config=ALLOW)
    assert once() == os.getpid()


def test_evidence_of_several_processes_at_once(home, child):
    work()
    assert child("import aegis\n@aegis.guard\ndef work(): return 1\nprint(work())") == "1\n"
    assert rows(home / ".aegis" / "ledger.1.db") == 2
