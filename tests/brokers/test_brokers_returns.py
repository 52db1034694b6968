"""That every lent credential ends: with the switch, the process, the crash; and lives till then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from aegis.kernel import returns
from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Actor

BOT = Action("read", "db1", actor=Actor("mary", "bot"))


class Vault:
    """A Vault that names every lease, and notes what becomes of it."""

    def __init__(self, serve, seconds=60, renewable=False):
        self.made, self.ended, self.renewed = [], [], []
        self.seconds, self.renewable = seconds, renewable
        self.service = serve(
            {"/creds/reader": self.create, "/revoke": self.revoke, "/renew": self.renew}
        )

    def lease(self, id):
        data = {"username": "u", "password": "minted"}
        return {"lease_id": id, "lease_duration": self.seconds, "renewable": self.renewable,
                "data": data}  # fmt: skip

    def create(self, got):
        self.made.append(f"database/creds/reader/{len(self.made)}")
        return 200, self.lease(self.made[-1])

    def revoke(self, got):
        self.ended.append(got.json["lease_id"])
        return 204, None

    def renew(self, got):
        self.renewed.append((got.json["lease_id"], got.json["increment"]))
        return 200, self.lease(got.json["lease_id"])


@pytest.fixture
def vault(serve):
    return Vault(serve)


def document(home, vault):
    return {
        "home": str(home),
        "policy": {"defaults": {"approval": "auto"}},
        "guardrails": {},
        "credentials": {
            "brokers": {
                "accounts": {"type": "vault", "url": vault.service.url, "token": "root"},
                "fixed": {"type": "static", "fields": {"token": "t"}},
            },
            "grants": [
                {"match": {"target": "db*"}, "broker": "accounts", "scope": {"role": "reader"}},
                {"match": {"target": "fixed"}, "broker": "fixed"},
            ],
        },
    }


def opened(home, vault):
    return open_runtime(parse(document(home, vault), "test.yaml"))


@pytest.fixture
def runtime(tmp_path, vault):
    made = opened(tmp_path, vault)
    yield made
    made.close()


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)
    return found


def records(runtime, event):
    kept = (record.fields for record in runtime.journal.records() if record.kind == "admin")
    return [fields for fields in kept if fields["event"] == event]


class Working:
    """An action under way in a thread, until it is let go."""

    def __init__(self, runtime, action=BOT):
        self.begun, self.go = threading.Event(), threading.Event()
        work = lambda _: (self.begun.set(), self.go.wait(30))  # noqa: E731
        self.thread = threading.Thread(target=runtime.govern, args=(action, work), daemon=True)
        self.thread.start()
        assert self.begun.wait(20)

    def end(self):
        self.go.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


class TestTheSwitch:
    @pytest.mark.parametrize("name", ["bot", "BOT", "mary", "*"])
    def test_it_ends_what_its_agent_holds(self, runtime, vault, name):
        work = Working(runtime)
        other = Working(runtime, Action("read", "db2", actor=Actor("john", "other")))
        runtime.kill(name, by="operator")
        eventually(lambda: vault.made[0] in vault.ended)
        (told, *_) = eventually(lambda: records(runtime, "credential.revoke"))
        assert told["outcome"] == "ok"
        assert told["details"]["because"] == "the agent was switched off"
        if name != "*":
            assert vault.made[1] not in vault.ended
        work.end()
        other.end()
        eventually(lambda: sorted(vault.ended) == sorted(vault.made))
        runtime.close()
        assert len(records_of(runtime)) == 2

    def test_it_reaches_other_processes(self, runtime, vault, tmp_path):
        work = Working(runtime)
        elsewhere = opened(tmp_path, vault)
        elsewhere.kill("bot", by="operator")
        elsewhere.close()
        eventually(lambda: vault.ended == vault.made)
        work.end()

    def test_what_cannot_be_revoked_is_recorded_as_that(self, runtime, vault):
        work = Working(runtime, Action("read", "fixed", actor=Actor("mary", "bot")))
        (minted,) = records(runtime, "credential.mint")
        assert minted["details"]["revocable"] is False
        runtime.kill("bot", by="operator")
        (told,) = eventually(lambda: records(runtime, "credential.revoke"))
        assert told["outcome"] == "unrevocable"
        work.end()
        assert len(records(runtime, "credential.revoke")) == 1


def records_of(runtime):
    """What a closed runtime's ledger says of revocations."""
    again = open_runtime(parse({"home": runtime.settings.home}, "test.yaml"), recover=False)
    try:
        return records_in(again)
    finally:
        again.close()


def records_in(runtime):
    from aegis.ledger.entry import Query

    found = []
    for row in runtime.journal.store.rows(Query(kind="admin")):
        body = json.loads(row.entry.split(b"\n", 1)[1])
        if body["event"].startswith("credential."):
            found.append(body)
    return [body for body in found if body["event"] == "credential.revoke"]


class TestTheEnd:
    def test_a_process_that_ends_leaves_nothing_out(self, runtime, vault):
        Working(runtime)
        runtime.close()
        assert vault.ended == vault.made
        (told,) = records_of(runtime)
        assert (told["outcome"], told["details"]["because"]) == ("ok", "the process ends")

    def test_what_does_not_answer_in_time_is_unknown_and_ended_by_the_next(
        self, runtime, vault, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(returns, "CLOSE_SECONDS", 0.2)
        answer, go = vault.service.answers["/revoke"], threading.Event()
        vault.service.answers["/revoke"] = lambda got: (go.wait(20), answer(got))[1]
        Working(runtime)
        runtime.close()
        assert [told["outcome"] for told in records_of(runtime)] == ["unknown"]
        go.set()
        monkeypatch.undo()
        following = opened(tmp_path, vault)
        eventually(lambda: records(following, "credential.revoke"))
        following.close()
        assert vault.made[0] in vault.ended
        assert records_of(following)[-1]["outcome"] == "ok"

    def test_one_service_that_is_down_does_not_hold_up_another(self, tmp_path, serve):
        down, up = Vault(serve), Vault(serve)
        given = document(tmp_path, down)
        accounts = {"type": "vault", "url": up.service.url, "token": "root"}
        given["credentials"]["brokers"]["other"] = accounts
        grant = {"match": {"target": "other"}, "broker": "other", "scope": {"role": "reader"}}
        given["credentials"]["grants"].append(grant)
        runtime = open_runtime(parse(given, "test.yaml"))
        down.service.answers["/revoke"] = (503, {})
        began = time.monotonic()
        for _ in range(4):
            runtime.govern(BOT, lambda _: None)
        runtime.govern(Action("read", "other"), lambda _: None)
        eventually(lambda: up.ended == up.made)
        assert time.monotonic() - began < 5
        runtime.close()


PROGRAM = """
import json, sys, time
from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Actor
runtime = open_runtime(parse(json.loads(sys.argv[1]), "test.yaml"))
def perform(_):
    print("performing", flush=True)
    time.sleep(60)
print("ready", flush=True)
runtime.govern(Action("read", "db1", actor=Actor("mary", "bot")), perform)
"""


class Elsewhere:
    """Another process on the same home, with an action under way."""

    def __init__(self, home, vault, until="performing"):
        given = json.dumps(document(home, vault))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, given], stdout=subprocess.PIPE, text=True
        )
        for line in self.process.stdout:
            if line.strip() == until:
                return

    def die(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.process.stdout.close()


class TestTheCrash:
    def test_what_a_killed_process_had_ends_at_the_next_start(self, vault, tmp_path):
        dead = Elsewhere(tmp_path, vault)
        living = Elsewhere(tmp_path, vault)
        try:
            assert len(vault.made) == 2
            dead.die()
            runtime = opened(tmp_path, vault)
            (told,) = eventually(lambda: records(runtime, "credential.revoke"))
            assert (told["outcome"], told["details"]["because"]) == ("ok", "its process died")
            assert vault.ended == vault.made[:1]
            (left,) = eventually(lambda: len(runtime.state.loans()) == 1 and runtime.state.loans())
            assert left.id != told["details"]["lease"]
            runtime.close()
        finally:
            dead.die()
            living.die()

    def test_all_that_died_are_found(self, vault, tmp_path):
        several = [Elsewhere(tmp_path, vault) for _ in range(2)]
        for each in several:
            each.die()
        runtime = opened(tmp_path, vault)
        eventually(lambda: sorted(vault.ended) == sorted(vault.made))
        eventually(lambda: not runtime.state.loans())
        runtime.close()

    def test_one_that_died_while_it_asked_is_unknown(self, vault, tmp_path):
        asked, go = threading.Event(), threading.Event()
        answer = vault.service.answers["/creds/reader"]

        def slow(got):
            asked.set()
            go.wait(20)
            return answer(got)

        vault.service.answers["/creds/reader"] = slow
        dead = Elsewhere(tmp_path, vault, until="ready")
        assert asked.wait(20)
        dead.die()
        go.set()
        runtime = opened(tmp_path, vault)
        (told,) = eventually(lambda: records(runtime, "credential.revoke"))
        assert told["outcome"] == "unknown"
        assert "nothing left by which" in told["details"]["reason"]
        eventually(lambda: not runtime.state.loans())
        runtime.close()


class TestALostAnswer:
    def test_is_recorded_as_unknown(self, runtime, vault):
        def drop(got):
            vault.made.append("nobody knows")
            raise ConnectionResetError

        vault.service.answers["/creds/reader"] = drop
        outcome = runtime.govern(BOT, lambda _: pytest.fail("performed"))
        assert outcome.status == "failed"
        (told,) = records(runtime, "credential.mint")
        assert told["outcome"] == "unknown"
        assert told["details"]["broker"] == "accounts"
        (told,) = eventually(lambda: records(runtime, "credential.revoke"))
        assert told["outcome"] == "unknown"
        assert told["details"]["because"] == "its answer was lost"
        eventually(lambda: not runtime.state.loans())

    def test_but_not_where_nothing_was_asked(self, runtime, vault):
        from aegis.kernel.settings import CredentialGrant

        grant = CredentialGrant({"target": "db*"}, "accounts", {"unknown": 1})
        rules = runtime.rules.grants
        rules._grants = ((rules._grants[0][0], grant),)
        outcome = runtime.govern(BOT, lambda _: pytest.fail("performed"))
        assert "the scope is none" in str(outcome.error)
        assert [told["outcome"] for told in records(runtime, "credential.mint")] == ["failed"]
        assert runtime.state.loans() == []
        assert vault.made == []


class TestRenewal:
    def test_a_long_action_keeps_its_credential(self, serve, tmp_path):
        vault = Vault(serve, seconds=1, renewable=True)
        runtime = opened(tmp_path, vault)
        work = Working(runtime)
        before = runtime.state.loans()[0].expires
        eventually(lambda: len(vault.renewed) >= 3)
        assert set(vault.renewed) == {(vault.made[0], 1)}
        assert runtime.state.loans()[0].expires > before
        assert vault.ended == []
        work.end()
        eventually(lambda: vault.ended == vault.made)
        assert len(eventually(lambda: records(runtime, "credential.renew"))) >= 3
        runtime.close()

    def test_one_that_fails_is_recorded_and_not_repeated(self, serve, tmp_path):
        vault = Vault(serve, seconds=1, renewable=True)
        vault.service.answers["/renew"] = (400, {"errors": ["lease is not renewable"]})
        runtime = opened(tmp_path, vault)
        work = Working(runtime)
        (told,) = eventually(lambda: records(runtime, "credential.renew"))
        assert (told["outcome"], told["details"]["reason"]) == ("failed", "accounts: status 400")
        work.end()
        eventually(lambda: vault.ended == vault.made)
        runtime.close()

    def test_it_has_an_end(self, serve, tmp_path, monkeypatch):
        monkeypatch.setattr(returns, "RENEWED_SECONDS_MAX", 3)
        vault = Vault(serve, seconds=1, renewable=True)
        runtime = opened(tmp_path, vault)
        work = Working(runtime)
        until = time.time() + 5
        eventually(lambda: time.time() > until)
        assert 1 <= len(vault.renewed) <= 4
        work.end()
        runtime.close()
