"""The state store on disks that are full, read-only or locked: a sentence, never SQLite's own."""

import sqlite3
import subprocess
import sys

import pytest

from aegis.approval import APPROVED, CONSUMED, DENIED, EXPIRED, Request
from aegis.builtin.stores import state as state_module
from aegis.builtin.stores import state_approvals as approvals_module
from aegis.builtin.stores.state import SqliteState
from aegis.kernel.state import Agent, Post, Run
from aegis.model import AegisError


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "home" / "state.db"
    state = SqliteState(made)
    state.change_agent("Bot", lambda _: Agent("Bot"))
    state.close()
    return made


def test_a_locked_store_says_who_waits_for_whom(path, monkeypatch):
    monkeypatch.setattr("aegis.builtin.stores.state_database.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    state = SqliteState(path)
    try:
        with pytest.raises(AegisError, match=r"state\.db.*another process.*try again"):
            state.change_agent("Other", lambda _: Agent("Other"))
        assert [agent.name for agent in state.agents()] == ["Bot"]
    finally:
        state.close()
        other.close()


def test_what_is_no_database_is_named(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(AegisError, match=r"state\.db.*not a database.*bring back"):
        SqliteState(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AegisError, match=r"state\.db"):
        SqliteState(tmp_path / "file" / "state.db")


FULL = """
import resource, sys
from pathlib import Path
from aegis.builtin.stores.state import SqliteState
from aegis.kernel.state import Agent
from aegis.model import AegisError
state = SqliteState(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    state.change_agent("x", lambda _: Agent("x" * 50_000))
except AegisError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
state.change_agent("later", lambda _: Agent("later"))
print([agent.name for agent in state.agents()])
"""


def test_a_full_disk_is_a_sentence_and_space_is_enough_to_go_on(path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False
    )
    said, names = done.stdout.splitlines() or (done.stderr, "")
    assert "state.db" in said
    assert "full" in said
    assert names == "['Bot', 'later']"


def test_a_store_opened_to_read_writes_nothing_and_says_so(path):
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    state = SqliteState(path, readonly=True)
    assert [agent.name for agent in state.agents()] == ["Bot"]
    with pytest.raises(AegisError, match=r"state\.db"):
        state.change_agent("Other", lambda _: Agent("Other"))
    state.close()
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert {name: after[name] for name in before} == before


def test_a_store_that_is_not_there_is_empty_to_read_and_is_not_made(tmp_path):
    path = tmp_path / "home" / "state.db"
    state = SqliteState(path, readonly=True)
    assert state.agents() == []
    state.close()
    assert not path.parent.exists()


def test_an_approval_is_consumed_once_by_whichever_process_and_its_run_goes_with_it(path):
    first, second = SqliteState(path), SqliteState(path)
    request = Request("ap_1", "d", "a", state=APPROVED, expires=10, run="r1")
    first.add_approval(request)
    first.add_run(Run("r1", "ap_1", b"{}", b"[]"))
    assert not second.consume("ap_1", 10, "late")
    assert first.run("r1") is not None
    assert second.consume("ap_1", 9, "mine")
    assert not first.consume("ap_1", 9, "other")
    used = first.approval("ap_1")
    assert (used.state, used.used) == (CONSUMED, "mine")
    assert first.run("r1") is None
    first.close()
    second.close()


def test_a_change_that_raises_changes_nothing(path):
    state = SqliteState(path)
    state.add_approval(Request("ap_1", "d", "a"))

    def change(request):
        raise AegisError("no")

    with pytest.raises(AegisError, match="no"):
        state.change_approval("ap_1", change)
    assert state.approval("ap_1").state == "pending"
    assert state.change_approval("ap_2", change) is None
    state.close()


def test_a_post_is_held_by_one_process_until_its_hold_is_over(path):
    first, second = SqliteState(path), SqliteState(path)
    first.add_approval(Request("ap_1", "d", "a", expires=99), [Post("ap_1", "slack", 1)])
    (post,) = second.due_posts("slack", 5)
    assert first.hold_post(post, 5, 10)
    assert not second.hold_post(post, 6, 11)
    assert second.due_posts("slack", 6) == []
    assert second.hold_post(post, 10, 20)
    first.close()
    second.close()


def test_a_nonce_is_new_once(path):
    first, second = SqliteState(path), SqliteState(path)
    assert first.first_use("slack", "n", 1, 10)
    assert not second.first_use("slack", "n", 2, 10)
    assert second.first_use("discord", "n", 2, 10)
    assert first.first_use("slack", "n", 10, 20)
    first.close()
    second.close()


def test_labels_of_sessions_are_shared_and_bounded(path, monkeypatch):
    monkeypatch.setattr("aegis.builtin.stores.state_sessions.SESSION_LABELS_MAX", 5)
    monkeypatch.setattr("aegis.builtin.stores.state_sessions.PRUNE_EVERY", 10)
    one, two = SqliteState(path), SqliteState(path)
    epoch = one.epoch()
    one.label_session("s", ["untrusted"], 1)
    two.label_session("s", ["secret", "untrusted"], 2)
    assert sorted(one.session_labels("s")) == ["secret", "untrusted"]
    assert one.epoch() == epoch, "nobody else has to look"
    for number in range(20):
        one.label_session(f"other{number}", ["untrusted"], 10 + number)
    assert not two.session_labels("s")
    assert two.session_labels("other19")
    one.close()
    two.close()


def kept(state):
    return [run.id for run in state.runs()]


def test_runs_that_ended_are_dropped_and_no_others(path):
    state = SqliteState(path)
    for id, given, run in (
        ("denied", {"state": DENIED, "answered": 50, "expires": 900}, {"created": 10}),
        ("just_denied", {"state": DENIED, "answered": 150, "expires": 900}, {"created": 10}),
        ("expired", {"state": EXPIRED, "expires": 60}, {"created": 10}),
        ("unused", {"state": APPROVED, "expires": 60}, {"created": 10}),
        ("waiting", {"expires": 900}, {"created": 10}),
        ("approved", {"state": APPROVED, "expires": 900}, {"created": 10}),
    ):
        state.add_approval(Request(id, "d", "a", run=id, **given))
        state.add_run(Run(id, id, b"{}", b"[]", **run))
    state.add_run(Run("orphan", "gone", b"{}", b"[]", created=10))
    state.add_run(Run("orphan_young", "gone", b"{}", b"[]", created=150))
    dropped = state.drop_runs(100)
    assert dropped == [(id, id) for id in ("denied", "expired", "unused")] + [("orphan", "gone")]
    assert kept(state) == ["just_denied", "waiting", "approved", "orphan_young"]
    assert state.drop_runs(100) == []
    state.close()


def test_no_caller_fills_the_shelf_of_others(path, monkeypatch):
    monkeypatch.setattr(state_module, "RUNS_OWNER_MAX", 2)
    monkeypatch.setattr(approvals_module, "PENDING_OWNER_MAX", 2)
    state = SqliteState(path)
    for number in range(2):
        state.add_run(Run(f"r{number}", "ap", b"{}", b"[]", owner="greedy"))
        state.add_approval(Request(f"ap{number}", "d", "a", principal="greedy", expires=9))
    with pytest.raises(AegisError, match="2 runs of this caller are parked already"):
        state.add_run(Run("r2", "ap", b"{}", b"[]", owner="greedy"))
    with pytest.raises(AegisError, match="2 approvals of this caller are open already"):
        state.add_approval(Request("ap2", "d", "a", principal="greedy", expires=9))
    state.add_run(Run("r2", "ap", b"{}", b"[]", owner="other"))
    assert state.add_approval(Request("ap2", "d", "a", principal="other", expires=9))
    # what is over counts no longer
    assert state.add_approval(Request("ap3", "d", "a", principal="greedy", created=10, expires=99))
    state.close()


def test_a_store_of_an_earlier_schema_is_taken_over(path):
    state = SqliteState(path)
    state.add_approval(Request("ap_1", "d", "a", run="r1", expires=99))
    state.add_run(Run("r1", "ap_1", b"{}", b"[]", created=10))
    state.close()
    with sqlite3.connect(path) as db:
        for table, column in (("approvals", "owner"), ("runs", "owner"), ("runs", "approval")):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("PRAGMA user_version=3")
    db.close()
    state = SqliteState(path)
    assert state.drop_runs(50) == []
    assert state.drop_runs(99) == [("r1", "ap_1")]
    state.close()
