"""What people meet on bad days: folders they cannot write, lost keys, typos, hostile comments."""

import ctypes
import os
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest

from aegis.cli.doctor import ROOM_BYTES
from aegis.kernel import config
from aegis.kernel.build import open_runtime
from aegis.ledger.record import AdminBody
from aegis.model import Action, ActionError, Actor

AEGIS = "from aegis.cli.main import main; main()"

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
"""linux/prctl.h, linux/capability.h: without these two, permissions bind root as well."""


def _bound_by_permissions():
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def auditor(folder):
    """The command line of somebody whom permissions bind, whoever runs the tests."""

    def call(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-c", AEGIS, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=_bound_by_permissions,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done
        return done

    return call


@pytest.fixture
def readonly(folder, aegis):
    """A home with a key and records that nobody can write to."""
    aegis("keys", "create", "--name", "ci")
    home = folder / ".aegis"
    os.chmod(home, 0o500)
    yield home
    os.chmod(home, 0o700)


def test_doctor_says_that_the_disk_is_full(aegis, folder):
    aegis("keys", "create", "--name", "ci")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES - 1, hard))
    try:
        said = aegis("doctor", code=1).out
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "has no room for 1 MiB" in said
    assert "no room" not in aegis("doctor").out


def test_doctor_names_the_provider_that_does_not_build(aegis, folder):
    (folder / "aegis.yaml").write_text(
        "providers: { a: { type: offline }, b: { type: openai_compatible } }"
    )
    assert "providers.b: `base_url`" in aegis("doctor", code=1).out


def test_doctor_calls_no_guard_enforcing_that_only_reports(aegis, folder):
    (folder / "aegis.yaml").write_text("guardrails: { pii: {}, prompt_leak: {} }")
    said = " ".join(aegis("doctor").out.split())
    assert "guard pii enforcing: mask on input and output" in said
    assert "guard prompt_leak loaded, reports only (action `warn`)" in said


class TestReadOnly:
    def test_doctor_says_that_a_home_cannot_be_written(self, auditor, readonly):
        said = auditor("doctor", code=1).stdout
        assert "fail" in said
        assert "cannot be written" in said
        assert "chmod 700" in said

    def test_an_auditor_reads_everything(self, auditor, readonly, folder):
        before = {path: path.stat().st_mtime_ns for path in readonly.iterdir()}
        assert "key.create" in auditor("audit").stdout
        assert "ci" in auditor("keys", "list").stdout
        assert auditor("approvals", "list").returncode == 0
        assert "1 " in auditor("verify", readonly / "ledger.db").stdout
        auditor("evidence", "export", "--out", folder / "out.aegis")
        auditor("verify", folder / "out.aegis")
        assert {path: path.stat().st_mtime_ns for path in readonly.iterdir()} == before

    def test_a_ledger_that_was_not_closed_in_order_is_read_whole(self, auditor, aegis, folder):
        program = (
            "import os, time\n"
            "from aegis.kernel import config\n"
            "from aegis.kernel.build import open_runtime\n"
            "runtime = open_runtime(config.load(env={}))\n"
            "runtime.admin('hello', by='x')\n"
            "os._exit(0)\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True)
        home = folder / ".aegis"
        (home / "ledger.db-shm").unlink(missing_ok=True)
        os.chmod(home, 0o500)
        try:
            assert "hello" in auditor("audit").stdout
            assert "1 " in auditor("verify", home / "ledger.db").stdout
        finally:
            os.chmod(home, 0o700)

    def test_what_needs_to_write_says_so(self, auditor, readonly):
        said = auditor("keys", "create", "--name", "b", code=1).stderr
        assert "a fault in Aegis itself" not in said
        assert ".aegis" in said

    def test_keys_list_makes_no_home(self, aegis, folder):
        aegis("keys", "list")
        assert not (folder / ".aegis").exists()


def test_a_full_disk_is_a_sentence(folder):
    program = (
        "import resource, sys; from aegis.cli.main import run\n"
        "run(['keys', 'create', '--name', 'a'])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))\n"
        "sys.exit(run(['keys', 'create', '--name', 'b']))\n"
    )
    # what counts lines in child processes could not write its own file either
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=False, env=env,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert "fault in Aegis" not in done.stderr
    assert "full" in done.stderr


@pytest.mark.parametrize(
    "verb", [("keys", "create", "--name", "b"), ("evidence", "export", "--out", "x"), ("kill", "a")]
)
def test_a_lost_key_is_not_replaced(aegis, folder, verb):
    aegis("keys", "create", "--name", "a")
    home = folder / ".aegis"
    (home / "ledger.key").unlink()
    before = sorted(path.name for path in home.iterdir())
    said = aegis(*verb, code=1).err
    assert "ledger.key" in said
    assert "bring" in said
    assert sorted(path.name for path in home.iterdir()) == before


class TestKill:
    def test_a_name_nobody_knows_is_killed_with_a_warning(self, aegis, folder):
        (folder / "aegis.yaml").write_text(
            "version: '1'\nagents:\n  SupportBot: {allow: ['read_*']}\n"
        )
        done = aegis("kill", "SuportBot")
        assert "switched off" in done.out
        assert "no agent `SuportBot`" in done.err
        assert "`SupportBot`" in done.err
        assert aegis("kill", "SupportBot").err == ""

    def test_one_that_acted_is_known(self, aegis, folder):
        runtime = open_runtime(config.load(env={}, cwd=folder))
        runtime.govern(Action("read", actor=Actor(agent="Acting")), lambda _: 1)
        runtime.close()
        assert aegis("kill", "Acting").err == ""
        assert aegis("kill", "*").err == ""

    def test_a_refusal_names_the_agent_once(self, aegis, folder):
        aegis("kill", "Bot", "--reason", "acting up.")
        runtime = open_runtime(config.load(env={}, cwd=folder))
        try:
            outcome = runtime.govern(Action("read", actor=Actor(agent="Bot")), lambda _: 1)
        finally:
            runtime.close()
        said = f"{outcome.reason}; {outcome.decision.advice}"
        assert "`aegis revive Bot`" in said
        assert "NAME" not in said
        assert said.count("switched off") == 1
        assert ".;" not in said


def test_records_of_one_lane_stay_in_their_order(aegis, folder):
    runtime = open_runtime(config.load(env={}, cwd=folder))
    base = 1_700_000_000_000_000
    for number, at in enumerate((10, 30, 20, 40)):
        body = AdminBody(actor="x", at=base + at, event=f"event-{number}")
        runtime.journal.append("admin", "admin", body)
    other = open_runtime(config.load(env={}, cwd=folder))
    body = AdminBody(actor="y", at=base + 25, event="between")
    other.journal.append("admin", "admin", body)
    other.close()
    runtime.close()
    for limit in ((), ("--limit", "100"), ("--limit", "3")):
        records = aegis("audit", "--format", "json", *limit).json
        mine = [r["event"] for r in records if r["event"].startswith("event")]
        assert mine == sorted(mine), limit
    events = [r["event"] for r in aegis("audit", "--format", "json").json]
    assert events.index("event-0") < events.index("between") < events.index("event-1")
    assert len(aegis("audit", "--format", "json", "--limit", "3").json) == 3


@pytest.mark.parametrize("name", ["", "  "])
def test_an_action_without_a_type_is_refused(aegis, folder, name):
    (folder / "p.yaml").write_text("defaults: {approval: auto}\nrules: []\n")
    assert "type" in aegis("why", name, code=2).err
    assert "type" in aegis("why", name, "--policy", "p.yaml", code=2).err
    assert aegis("simulate", "p.yaml", name, code=2).err
    runtime = open_runtime(config.load(env={}, cwd=folder))
    try:
        with pytest.raises(ActionError, match="type"):
            runtime.govern(Action(name), lambda _: 1)
        with pytest.raises(ActionError, match="type"):
            runtime.govern(Action(name), lambda _: 1, dry=True)
    finally:
        runtime.close()


class TestTexts:
    def test_no_file_is_named_where_there_is_none(self, aegis):
        assert "<input>" not in aegis("validate", code=2).err

    def test_the_hint_fits_what_is_missing(self, aegis):
        assert "aegis init" not in aegis("simulate", "p.yaml", "read", code=2).err
        assert "aegis init" in aegis("validate", "aegis.yaml", code=2).err

    def test_an_address_in_use_is_one_sentence(self, process):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            said = process("serve", "--port", port, code=2).err
        assert "Errno" not in said
        assert f"127.0.0.1:{port}" in said
        assert "in use" in said

    @pytest.mark.parametrize("host", ["a..b", "[::1]"])
    def test_a_host_nobody_can_listen_on_is_one_sentence(self, process, host):
        said = process("serve", "--host", host, "--port", "0", code=2).err
        assert said.count("\n") == 1
        assert "cannot serve on" in said
        assert "unknown error" not in said

    def test_a_failed_export_names_the_file_that_was_asked_for(self, aegis):
        aegis("keys", "create", "--name", "a")
        said = aegis("evidence", "export", "--out", "none/here.aegis", code=2).err
        assert "`none/here.aegis`" in said

    def test_reasons_are_joined_without_doubled_marks(self, aegis, folder):
        (folder / "p.yaml").write_text(
            "rules:\n- {name: a, match: {type: x}, approval: block, description: Never.}\n"
        )
        assert ".;" not in aegis("simulate", "p.yaml", "x").out

    def test_a_comment_moves_no_cursor(self, aegis, folder):
        from aegis.surfaces.library.refusals import refusal

        runtime = open_runtime(config.load(env={"AEGIS__APPROVALS__WAIT_SECONDS": "20"}))
        outcomes = []
        action = Action("deploy", "prod", actor=Actor(agent="Bot"))
        thread = threading.Thread(
            target=lambda: outcomes.append(runtime.govern(action, lambda _: 1)), daemon=True
        )
        thread.start()
        deadline = time.monotonic() + 10
        while not runtime.desk.pending() and time.monotonic() < deadline:
            time.sleep(0.01)
        aegis("deny", runtime.desk.pending()[0].id, "--as", "mary", "--comment", "no\x1b[2J\u202e")
        thread.join(20)
        runtime.close()
        said = str(refusal(outcomes[0]))
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "<U+001B>[2J" in said


@pytest.mark.parametrize("text", ["", "null\n", "# only words\n", "{}\n", "---\n"])
def test_a_file_that_holds_nothing_is_no_valid_one(aegis, folder, text):
    (folder / "empty.yaml").write_text(text)
    assert "holds nothing" in aegis("validate", "empty.yaml", code=1).err
    report = aegis("validate", "empty.yaml", "--json", code=1).json[0]
    assert report["ok"] is False


def test_what_ships_lints_clean(aegis, folder):
    from aegis.kernel.describe import default_policy, starter

    aegis("init")
    assert starter()
    for name, text in (("default.yaml", default_policy()), ("aegis.yaml", None)):
        if text is not None:
            (folder / name).write_text(text)
        done = aegis("policy", "lint", name)
        assert "warn" not in done.out + done.err
