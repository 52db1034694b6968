"""keys, kill, revive, approvals, approve, deny: what they change, and that each is a record."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest

from aegis.kernel import config
from aegis.kernel.build import open_runtime
from aegis.model import Action, Actor

AEGIS = "from aegis.cli.main import main; main()"


def events(aegis):
    return [
        (record["event"], record["actor"], record.get("details", {}))
        for record in aegis("audit", "--kind", "admin", "--format", "json").json
    ]


class TestKeys:
    def test_a_key_is_shown_once_and_kept_as_a_hash(self, aegis, folder):
        done = aegis("keys", "create", "--name", "ci")
        token = done.out.strip()
        assert re.fullmatch(r"sk-aegis-[A-Za-z0-9_-]{40,}", token)
        assert "not shown again" in done.err
        assert token not in aegis("keys", "list").out
        for file in (folder / ".aegis").rglob("*"):
            if file.is_file():
                assert token.encode() not in file.read_bytes(), file

    def test_what_was_asked_for_is_what_it_may_do(self, aegis):
        made = aegis(
            "keys", "create", "--name", "n", "--models", "gpt-*", "--models", "o*", "--rpm", "60",
            "--tpm", "1000", "--expires", "90d", "--agent", "Bot", "--tenant", "acme", "--json",
        ).json  # fmt: skip
        assert made["models"] == ["gpt-*", "o*"]
        assert (made["requests_per_minute"], made["tokens_per_minute"]) == (60, 1000)
        assert (made["agent"], made["tenant"]) == ("Bot", "acme")
        (listed,) = aegis("keys", "list", "--json").json
        assert listed == {name: value for name, value in made.items() if name != "key"}
        day = made["expires"][:10]
        assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + 90 * 86400)) == day

    def test_the_key_opens_and_a_revoked_one_does_not(self, aegis, folder):
        token = aegis("keys", "create", "--name", "a").out.strip()

        def holder():
            runtime = open_runtime(config.load(env={}, cwd=folder))
            try:
                return runtime.keys.authenticate(token)
            finally:
                runtime.close()

        assert holder().name == "a"
        (key,) = aegis("keys", "list", "--json").json
        aegis("keys", "revoke", key["id"])
        assert holder() is None
        assert aegis("keys", "list", "--json").json[0]["state"] == "revoked"
        assert "no valid key" in aegis("keys", "revoke", key["id"], code=2).err

    def test_each_change_is_a_record_that_names_who_and_never_the_key(self, aegis):
        token = aegis("keys", "create", "--name", "a").out.strip()
        aegis("keys", "revoke", "a")
        (made, by, details), (ended, _, _) = events(aegis)
        assert (made, ended) == ("key.create", "key.revoke")
        assert by
        assert details["name"] == "a"
        assert token not in aegis("audit", "--format", "jsonl").out

    @pytest.mark.parametrize("form", [[], ["--json"]])
    @pytest.mark.parametrize("where", ["full", "pipe"])
    def test_a_key_that_nobody_saw_is_revoked_again(self, aegis, folder, form, where):
        if where == "full":
            out = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, out = os.pipe()
            os.close(reader)
        try:
            done = subprocess.run(
                [sys.executable, "-c", AEGIS, "keys", "create", "--name", "ci", *form],
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(out)
        assert done.returncode == 2
        assert re.fullmatch(
            "aegis: the new key could not be shown .*revoked again.*\n", done.stderr
        )
        assert [key["state"] for key in aegis("keys", "list", "--json").json] == ["revoked"]
        assert [event for event, _, _ in events(aegis)][:2] == ["key.create", "key.revoke"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--name", " "], "1 to 200 characters"),
            (["--name", "a", "--expires", "2020-01-01"], "is past"),
            (["--name", "a", "--expires", "soon"], "is no time"),
            (["--name", "a", "--rpm", "-1"], "count per minute"),
        ],
    )
    def test_what_makes_no_sense(self, aegis, arguments, said):
        assert said in aegis("keys", "create", *arguments, code=2).err

    def test_a_name_is_used_once(self, aegis):
        aegis("keys", "create", "--name", "a")
        assert "exists already" in aegis("keys", "create", "--name", "a", code=2).err

    def test_none_yet(self, aegis):
        assert "aegis keys create" in aegis("keys", "list").err


class TestSwitch:
    def test_a_killed_agent_is_refused_until_it_is_revived(self, aegis, folder):
        def status():
            runtime = open_runtime(config.load(env={}, cwd=folder))
            try:
                action = Action("read", "crm", actor=Actor(agent="Bot"))
                return runtime.govern(action, lambda _: "done").status
            finally:
                runtime.close()

        assert status() == "performed"
        aegis("kill", "Bot", "--reason", "acting up")
        assert status() == "refused"
        aegis("revive", "Bot")
        assert status() == "performed"
        told = {event: details for event, _, details in events(aegis)}
        assert told["agent.kill"]["reason"] == "acting up"
        assert told["agent.revive"]["agent"] == "Bot"

    def test_a_running_process_notices(self, aegis, folder):
        runtime = open_runtime(config.load(env={}, cwd=folder))
        try:
            action = Action("read", "crm", actor=Actor(agent="Bot"))
            assert runtime.govern(action, lambda _: 1).status == "performed"
            aegis("kill", "Bot")
            assert runtime.govern(action, lambda _: 1).code == "killed"
        finally:
            runtime.close()

    @pytest.mark.parametrize("name", ["", "x" * 201])
    def test_a_name_has_a_length(self, aegis, name):
        assert "1 to 200 characters" in aegis("kill", name, code=2).err


class TestApprovals:
    @pytest.fixture
    def waiting(self, folder):
        """A process part that waits for a person: its runtime, and what became of the action."""
        (folder / "aegis.yaml").write_text("approvals: { wait_seconds: 30 }")
        runtime = open_runtime(config.load(env={}, cwd=folder))
        outcome = []
        action = Action(
            "delete", "crm", params={"id": 7}, actor=Actor(principal="alice", agent="Bot")
        )
        thread = threading.Thread(
            target=lambda: outcome.append(runtime.govern(action, lambda _: "gone"))
        )
        thread.start()
        deadline = time.monotonic() + 10
        while not runtime.desk.pending() and time.monotonic() < deadline:
            time.sleep(0.01)

        def ended():
            thread.join(30)
            return outcome[0]

        yield ended
        if thread.is_alive():
            for request in runtime.desk.pending():
                runtime.answer(request.id, False, by="the test")
            thread.join(30)
        runtime.close()

    def test_are_listed_with_what_a_person_needs(self, aegis, waiting):
        said = aegis("approvals", "list").out
        for part in ("Bot", "delete crm", '{"id":7}', "critical", "destructive"):
            assert part in said
        (request,) = aegis("approvals", "list", "--json").json
        assert request["params"] == {"id": 7}

    def test_approved_in_another_process_the_action_happens(self, aegis, waiting):
        (request,) = aegis("approvals", "list", "--json").json
        done = aegis("approve", request["id"], "--comment", "checked", "--as", "carol")
        assert done.out == f"{request['id']} approved: delete crm\n"
        assert waiting().status == "performed"
        assert "nothing waits" in aegis("approvals", "list").err
        answers = [e for e in events(aegis) if e[0] == "approval.answer"]
        assert answers[0][1] == "carol"

    def test_denied_it_does_not(self, aegis, waiting):
        (request,) = aegis("approvals", "list", "--json").json
        aegis("deny", request["id"], "--as", "carol")
        assert waiting().code == "denied"
        assert "already denied" in aegis("approve", request["id"], "--as", "dave", code=2).err

    def test_who_asked_cannot_answer(self, aegis, waiting):
        (request,) = aegis("approvals", "list", "--json").json
        assert "another person" in aegis("approve", request["id"], "--as", "alice", code=2).err

    def test_an_unknown_request(self, aegis):
        assert "no approval `ap_x`" in aegis("approve", "ap_x", code=2).err
