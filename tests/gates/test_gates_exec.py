"""`aegis exec`: real commands in real confined children, decided and recorded."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aegis.kernel import config
from aegis.surfaces.gates import landlock
from aegis.surfaces.gates.command import Job, run
from aegis.surfaces.gates.confine import Limits

AEGIS = Path(sys.executable).with_name("aegis")

confined = pytest.mark.skipif(
    landlock.version() < 6, reason="this kernel has no Landlock that confines files and signals"
)

POLICY = """
policy:
  defaults: { verdict: allow }
  rules:
    - { name: dangers, match: { label: "danger:*" }, verdict: block }
approvals: { wait_seconds: 0 }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/aegis.yaml").write_text(POLICY)
    return tmp_path / "work"


def aegis(*words, cwd, **env):
    return subprocess.run(
        [str(AEGIS), *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, **env},
    )  # fmt: skip


def ran(folder, line, **limits):
    given = {"seconds": 10.0, **limits}
    return run(Job((line,), folder, Limits(**given)))


def test_a_command_runs_and_is_recorded(folder):
    done = aegis("exec", "--", "sh", "-c", "echo out; echo err >&2; exit 3", cwd=folder)
    assert (done.returncode, done.stdout) == (3, "out\n")
    assert done.stderr.startswith("err\n")
    assert "confined" in done.stderr
    listed = aegis("audit", "--format", "jsonl", cwd=folder).stdout.splitlines()
    decision, outcome = (json.loads(line) for line in listed)
    assert decision["params"]["argv"] == ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert {"kind": "program", "name": "echo", "verb": "execute"} in decision["resources"]
    assert (outcome["status"], outcome["result"]["exit"]) == ("performed", 3)


def test_what_the_policy_blocks_is_never_started(folder):
    done = aegis("exec", "--", "touch started; rm -rf ~", cwd=folder)
    assert done.returncode == 1
    assert "dangers" in done.stdout
    assert not (folder / "started").exists()


def test_a_secret_in_the_output_is_masked(folder):
    key = "AKIA" + "IOSFODNN7" + "EXAMPLQ"
    (folder / "out.txt").write_text(f"key {key}\n")
    done = aegis("exec", "--quiet", "--", "cat", "out.txt", cwd=folder)
    assert key not in done.stdout + done.stderr
    assert key not in aegis("audit", "--format", "jsonl", cwd=folder).stdout


def test_a_command_that_is_not_there(folder):
    done = aegis("exec", "--", "no-such-program", cwd=folder)
    assert done.returncode == 2
    assert "could not be started" in done.stderr


def test_the_environment_is_bare(folder, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("WANTED", "yes")
    assert "s3cret" not in ran(folder, "env; true")["stdout"]
    found = run(Job(("env",), folder, variables=("WANTED",)))["stdout"]
    assert "WANTED=yes" in found


@confined
def test_only_its_folder_can_be_changed(folder, tmp_path):
    outside = tmp_path / "outside"
    found = ran(folder, f"touch inside; touch {outside}; touch $TMPDIR/x && echo scratch")
    assert (folder / "inside").exists()
    assert not outside.exists()
    assert "scratch" in found["stdout"]
    assert any(line.startswith("files: only") for line in found["confined"])


@confined
def test_home_directories_are_not_read(folder):
    home = Path.home()
    if home.parts[1:2] not in (("home",), ("root",)) or folder.is_relative_to(home):
        pytest.skip("the home directory is not in a usual place")
    files = [entry.name for entry in home.iterdir() if entry.is_file()]
    listed = ran(folder, f"ls -a {home}; true")["stdout"].split()
    assert not set(files) & set(listed)
    assert files or listed == []


@confined
def test_no_connection_without_being_asked_for(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected"
        assert "connected" not in ran(folder, line)["stdout"]
        assert "connected" in run(Job((line,), folder, network=True))["stdout"]


@confined
def test_it_ends_only_its_own_processes(folder):
    sleeper = subprocess.Popen(["sleep", "30"])
    try:
        ran(folder, f"kill -9 {sleeper.pid}; true")
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_time_is_limited_and_nothing_is_left_behind(folder):
    start = time.monotonic()
    mark = f"30{os.getpid()}.125"
    found = ran(folder, f"sleep {mark} & sleep {mark}", seconds=0.5)
    assert time.monotonic() - start < 5
    assert (found["ended"], found["exit"]) == ("time limit", 124)
    deadline = time.monotonic() + 5
    while any(mark in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_output_is_limited(folder):
    found = ran(folder, "yes | head -c 50000000", output_bytes=10_000)
    assert len(found["stdout"]) == 10_000
    assert found["ended"] == "output limit"


def test_file_size_is_limited(folder):
    ran(folder, "head -c 5000000 /dev/zero > big; true", file_bytes=100_000)
    assert (folder / "big").stat().st_size <= 100_000


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap")
def test_the_keys_of_aegis_are_not_read(folder):
    done = aegis("exec", "--", "sh", "-c", "ls -A .aegis; echo end", cwd=folder)
    assert done.stdout == "end\n"
    assert list((folder / ".aegis").iterdir())
    assert aegis("exec", "--", "sh", "-c", "ls -A /run; echo end", cwd=folder).stdout == "end\n"
    assert "NOT confined  files: all others are read" in done.stderr


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A PATH without bubblewrap, so that Landlock has to do."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "sh", "sleep", "setsid", "cat", "ls", "touch", "kill", "true", "env", "mv",
                 "rm", "rmdir", "mkdir", "ln"):  # fmt: skip
        (programs / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(programs))


def gone(mark):
    """Wait until no process has the mark in its command line."""
    deadline = time.monotonic() + 5
    while any(mark in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("end", ["", "; sleep {}"], ids=["exit", "time limit"])
def test_what_left_its_group_is_ended_too(folder, bare, end):
    mark = f"31{os.getpid()}.25"
    away = f"setsid bash -c 'trap : TERM; (setsid sleep {mark} &); sleep {mark}' >/dev/null 2>&1 &"
    line = f"{away} (sleep {mark} >/dev/null 2>&1 &); echo started{end.format(mark)}"
    found = ran(folder, line, seconds=1.0)
    assert (found["stdout"], found["ended"]) == ("started\n", "time limit" if end else "exit")
    assert "processes: what it leaves running is ended with it" in found["confined"]
    gone(mark)


@pytest.mark.parametrize(
    ("line", "code", "ended"),
    [("exit 7", 7, "exit"), ("kill -TERM $$", -15, "SIGTERM"), ("kill -KILL $$", -9, "SIGKILL"),
     ("true & wait; exit 4", 4, "exit")],
)  # fmt: skip
def test_the_process_between_ends_as_the_command_did(folder, bare, line, code, ended):
    found = ran(folder, line)
    assert found["ended"] == ended
    assert found["exit"] == code


def test_the_process_between_says_what_cannot_be_started(folder, bare):
    with pytest.raises(FileNotFoundError):
        run(Job(("no-such-program",), folder))


@confined
def test_landlock_opens_no_home_and_no_keys(folder, bare, tmp_path, monkeypatch):
    home, keys = tmp_path / "me", tmp_path / "keys/aegis"
    for place in (home, keys):
        place.mkdir(parents=True)
        (place / "note").write_text("s3cret")
    (tmp_path / "keys/other").write_text("readable")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "note").symlink_to(home / "note")
    monkeypatch.setenv("HOME", str(home))
    secret = f"{home}/note {keys}/note {tmp_path}/link/me/note {tmp_path}/note"
    line = f"cat {secret}; cat {tmp_path}/keys/other"
    found = run(Job((line,), folder, Limits(seconds=10), hidden=keys))
    assert found["stdout"] == "readable"
    inside = folder / ".aegis"
    inside.mkdir()
    found = run(Job(("true",), folder, Limits(seconds=10), hidden=inside))
    assert any("with the keys of Aegis" in line for line in found["open"])


WEAK = "policy: { defaults: { verdict: allow }, rules: [] }"
CHANGES = {
    "written": f"echo '{WEAK}' > aegis.yaml",
    "replaced": f"echo '{WEAK}' > x; mv -f x aegis.yaml",
    "removed": "rm -f aegis.yaml",
    "a policy": f"echo '{WEAK}' > conf/policy.yaml",
    "a folder moved": f"mv conf old; mkdir conf; echo '{WEAK}' > conf/policy.yaml",
    "linked": f"echo '{WEAK}' > x; rm -f aegis.yaml; ln -s x aegis.yaml",
    "a link": f"echo '{WEAK}' > x; ln -sfn x real.yaml",
    "behind a link": f"echo '{WEAK}' > conf/last.yaml",
    "the other name": f"echo '{WEAK}' > aegis.yml; rm -f aegis.yaml",
    "under a second name": f"echo '{WEAK}' > second.yaml",
}


@pytest.fixture
def governed(tmp_path):
    """A project whose configuration names a policy, through a link; no file is one alone."""
    work = tmp_path / "governed"
    (work / "conf").mkdir(parents=True)
    (work / "conf/last.yaml").write_text(
        "rules: [{ name: dangers, match: { label: 'danger:*' }, verdict: block }]\n"
        "defaults: { verdict: allow }\n"
    )
    (work / "conf/policy.yaml").symlink_to("../real.yaml")
    (work / "real.yaml").symlink_to("conf/last.yaml")
    (work / "aegis.yaml").write_text("policy: { path: conf/policy.yaml }\n")
    (work / "second.yaml").hardlink_to(work / "aegis.yaml")
    return work


def in_force(folder):
    """The rules that a command run in the folder would go by, as documents."""
    found = config.load(cwd=folder, env={})
    return found.policy.to_dict() if found.policy is not None else None


@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_command_does_not_change_what_governs_it(governed, request, sandbox, change):
    if sandbox == "landlock":
        request.getfixturevalue("bare")
    before = in_force(governed)
    files = config.load(cwd=governed, env={}).files
    found = run(Job(("bash", "-c", CHANGES[change]), governed, governing=files))
    assert in_force(governed) == before, found
    assert (governed / "aegis.yaml").is_file()
    assert not (governed / "aegis.yml").exists()


@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("name", ["aegis.yaml", "aegis.yml"])
def test_a_configuration_made_by_a_command_has_no_effect(folder, request, sandbox, name):
    if sandbox == "landlock":
        request.getfixturevalue("bare")
    below = folder / "below"
    below.mkdir()
    line = f"rmdir {name}; echo '{WEAK}' > {name}; echo '{WEAK}' > x; mv -T x {name}"
    done = aegis("exec", "--quiet", "--", "bash", "-c", line, cwd=below)
    assert in_force(below) == in_force(folder) is not None, done
    left = {path.name for path in below.iterdir() if path.name.startswith("aegis")}
    assert left <= {f"{name}.refused"}
    if sandbox == "landlock":
        assert WEAK in (below / f"{name}.refused").read_text()
        assert "put back" in done.stderr


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap")
def test_a_configuration_being_made_governs_nothing_meanwhile(folder):
    below = folder / "below"
    below.mkdir()
    line = f"rmdir aegis.yaml; echo '{WEAK}' > aegis.yaml; echo made > mark; sleep 30"
    first = subprocess.Popen([str(AEGIS), "exec", "--", "bash", "-c", line], cwd=below)
    try:
        deadline = time.monotonic() + 20
        while not (below / "mark").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # one that ends leaves the names to the other
        run(Job(("true",), below))
        assert (below / "aegis.yaml").is_dir()
        assert in_force(below) == in_force(folder) is not None
    finally:
        first.kill()
        first.wait()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap")
def test_the_setup_of_hooks_is_not_seen_where_the_folder_of_aegis_lies_elsewhere(folder):
    (folder / "below/.aegis").mkdir(parents=True)
    (folder / "below/.aegis/kit.yaml").write_text("policy: { path: policy.yaml }\n")
    line = "ls -A .aegis; echo x > .aegis/kit.yaml; mv .aegis away"
    done = aegis("exec", "--quiet", "--", "sh", "-c", line, cwd=folder / "below")
    assert done.stdout == ""
    assert "policy.yaml" in (folder / "below/.aegis/kit.yaml").read_text()


def test_what_a_user_edits_meanwhile_stays(governed):
    """Put back is what the command changed; inside bubblewrap it cannot be the command."""
    if shutil.which("bwrap") is None:
        pytest.skip("there is no bubblewrap")
    (governed / "second.yaml").unlink()
    line = "echo made > mark; while [ ! -e go ]; do sleep 0.05; done"
    running = subprocess.Popen([str(AEGIS), "exec", "--", "bash", "-c", line], cwd=governed)
    deadline = time.monotonic() + 20
    while not (governed / "mark").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    edited = "policy: { path: conf/policy.yaml } # edited\n"
    (governed / "aegis.yaml").write_text(edited)
    (governed / "go").touch()
    assert running.wait(20) == 0
    assert (governed / "aegis.yaml").read_text() == edited
