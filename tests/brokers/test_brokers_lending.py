"""Credentials on the path of an action: when they are minted, who sees them, that they end."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

from aegis.kernel.build import open_runtime, reload
from aegis.kernel.config import parse
from aegis.kernel.grants import scoped
from aegis.kernel.lease import lent
from aegis.model import Action, Actor, ConfigError
from aegis.surfaces.gateway.openai_chat import CHAT

POLICY = {
    "rules": [
        {"name": "no", "match": {"type": "drop*"}, "approval": "block"},
        {"name": "ask", "match": {"type": "deploy*"}, "approval": "approve"},
        {"name": "rest", "match": {"type": "*"}, "approval": "auto"},
    ]
}
SECRET = "minted-password"


@pytest.fixture
def vault(serve):
    """A Vault that mints one account, and counts."""
    lease = {"lease_id": "database/creds/reader/1", "lease_duration": 60}
    return serve(
        {
            "/creds/reader": (200, {**lease, "data": {"username": "u", "password": SECRET}}),
            "/sys/leases/revoke": (204, None),
        }
    )


def config(home, vault, **sections):
    grant = {
        "match": {"type": "*", "target": "db*"},
        "broker": "accounts",
        "scope": {"role": "reader"},
        "headers": {"authorization": "Basic {username}:{password}"},
        "env": {"PGPASSWORD": "{password}"},
        "connection": "postgresql://{username}:{password}@host/db",
    }
    document = {
        "home": str(home),
        "policy": POLICY,
        "guardrails": {},
        "approvals": {"wait_seconds": 0.1},
        "credentials": {
            "brokers": {"accounts": {"type": "vault", "url": vault.url, "token": "root"}},
            "grants": [grant],
        },
        **sections,
    }
    return parse(document, "test.yaml")


@pytest.fixture
def runtime(tmp_path, vault):
    made = open_runtime(config(tmp_path, vault))
    yield made
    made.close()


def minted(vault):
    return sum(got.path.endswith("/creds/reader") for got in vault.received)


def revoked(vault):
    return sum(got.path.endswith("/sys/leases/revoke") for got in vault.received)


def eventually(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)
    return found


def records(runtime, event):
    kept = (record.fields for record in runtime.journal.records() if record.kind == "admin")
    return [fields for fields in kept if fields["event"] == event]


def seen(action):
    lease = lent()
    return None if lease is None else (dict(lease.headers), dict(lease.env), lease.connection)


class TestWhoSeesIt:
    def test_the_performance_sees_it_in_every_form_and_nobody_else(self, runtime, vault, tmp_path):
        here = []
        outcome = runtime.govern(Action("read", "db1"), lambda action: here.append(seen(action)))
        assert outcome.ok
        headers, env, connection = here[0]
        assert headers == {"authorization": f"Basic u:{SECRET}"}
        assert env == {"PGPASSWORD": SECRET}
        assert connection == f"postgresql://u:{SECRET}@host/db"
        assert lent() is None
        eventually(lambda: records(runtime, "credential.revoke"))
        stored = b"".join(record.entry for record in runtime.journal.records())
        assert SECRET.encode() not in stored
        runtime.close()
        for file in tmp_path.rglob("*"):
            if file.is_file():
                assert SECRET.encode() not in file.read_bytes(), file

    def test_an_action_without_a_grant_gets_none(self, runtime, vault):
        assert runtime.govern(Action("read", "files"), seen).result is None
        assert minted(vault) == 0

    def test_two_at_once_see_their_own(self, runtime):
        async def go():
            async def perform(action):
                lease = lent()
                await asyncio.sleep(0.05)
                return lease is not None and lease is lent() and lease.id

            both = [runtime.agovern(Action("read", "db1"), perform) for _ in range(4)]
            return [outcome.result for outcome in await asyncio.gather(*both)]

        assert len(set(asyncio.run(go()))) == 4

    def test_it_is_not_printed(self, runtime):
        said = []
        runtime.govern(Action("read", "db1"), lambda action: said.append(repr(lent())))
        assert SECRET not in said[0]


class TestWhen:
    def test_the_decision_stands_before_it_is_minted_and_its_record_before_the_performance(
        self, runtime, vault
    ):
        kinds = []

        def perform(action):
            kept = runtime.journal.records()
            kinds.extend(record.fields.get("event", record.kind) for record in kept)

        runtime.govern(Action("read", "db1"), perform)
        assert kinds == ["decision", "credential.mint"]
        (told,) = records(runtime, "credential.mint")
        said = told["details"]
        assert (said["broker"], said["scope"]["role"], said["degraded"]) == (
            "accounts",
            "reader",
            False,
        )
        assert said["fingerprint"].startswith("sha256:")
        assert said["expires"] > said["issued"] > 0

    @pytest.mark.parametrize("action", [Action("drop", "db1"), Action("deploy", "db1")])
    def test_what_is_not_performed_gets_none(self, runtime, vault, action):
        assert runtime.govern(action, lambda _: pytest.fail("performed")).status == "refused"
        assert runtime.govern(Action("read", "db1"), seen, dry=True).code == "dry-run"
        assert minted(vault) == 0

    def test_it_is_minted_once_a_person_has_approved(self, runtime, vault):
        action = Action("deploy", "db1", actor=Actor(agent="bot"))
        waiting = runtime.govern(action, seen)
        assert minted(vault) == 0
        runtime.answer(waiting.approval, True, by="mary")
        assert runtime.govern(action, seen).ok
        assert minted(vault) == 1


class TestThatItEnds:
    def fail(self, action):
        raise ConnectionError("down")

    @pytest.mark.parametrize("how", ["performed", "failed"])
    def test_whatever_becomes_of_the_action(self, runtime, vault, how):
        outcome = runtime.govern(Action("read", "db1"), seen if how == "performed" else self.fail)
        assert outcome.status == how
        eventually(lambda: revoked(vault) == 1)
        (told,) = eventually(lambda: records(runtime, "credential.revoke"))
        assert told["outcome"] == "ok"
        assert (
            told["details"]["lease"] == records(runtime, "credential.mint")[0]["details"]["lease"]
        )

    def test_a_caller_who_leaves_ends_it(self, runtime, vault):
        async def go():
            performing = asyncio.Event()

            async def perform(action):
                performing.set()
                await asyncio.sleep(30)

            task = asyncio.create_task(runtime.agovern(Action("read", "db1"), perform))
            await performing.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(go())
        eventually(lambda: revoked(vault) == 1)

    def test_one_that_is_minted_for_a_caller_who_left_ends_too(self, runtime, vault):
        started, go_on = threading.Event(), threading.Event()
        answer = vault.answers["/creds/reader"]

        def slow(got):
            started.set()
            go_on.wait(20)
            return answer

        vault.answers["/creds/reader"] = slow

        async def go():
            task = asyncio.create_task(runtime.agovern(Action("read", "db1"), seen))
            await asyncio.to_thread(started.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await asyncio.to_thread(eventually, lambda: revoked(vault) == 1)

        asyncio.run(go())

    def test_a_stream_keeps_it_until_its_end(self, runtime, vault):
        def chunk(delta, end=None):
            choice = {"index": 0, "delta": delta, "finish_reason": end}
            return {"id": "1", "object": "chat.completion.chunk", "choices": [choice]}

        async def events():
            yield chunk({"role": "assistant", "content": "a"})
            await asyncio.sleep(0.2)
            assert revoked(vault) == 0
            yield chunk({"content": "b"}, "stop")

        async def go():
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            action = Action("chat.completions", "db-model", body, protocol="llm")
            stream = {"stream": True, "emit": lambda _: asyncio.sleep(0)}
            return await runtime.agovern(action, lambda _: events(), CHAT, **stream)

        outcome = asyncio.run(go())
        assert outcome.ok, outcome.error
        eventually(lambda: revoked(vault) == 1)

    def test_it_is_tried_again_where_the_service_is_down(self, runtime, vault):
        def perform(action):
            vault.failing = True

        runtime.govern(Action("read", "db1"), perform)
        eventually(lambda: revoked(vault) >= 1)
        vault.failing = False
        (told,) = eventually(lambda: records(runtime, "credential.revoke"))
        assert told["outcome"] == "ok"


class TestThatFailuresBlock:
    def test_a_broker_that_is_down(self, runtime, vault):
        vault.failing = True
        outcome = runtime.govern(Action("read", "db1"), lambda _: pytest.fail("performed"))
        assert (outcome.status, outcome.code) == ("failed", "error")
        assert "accounts: status 503" in str(outcome.error)
        assert list(runtime.journal.records())[-1].fields["status"] == "failed"

    def test_a_broker_that_answers_nonsense(self, runtime, vault):
        for answer in ("[]", "{}", '{"lease_id": 1}', "", "\x00"):
            vault.answers["/creds/reader"] = (200, answer)
            outcome = runtime.govern(Action("read", "db1"), lambda _: pytest.fail("performed"))
            assert outcome.status == "failed"

    def test_a_field_it_does_not_have_ends_what_was_minted(self, runtime, vault):
        lease = {"lease_id": "l", "lease_duration": 1, "data": {"username": "u"}}
        vault.answers["/creds/reader"] = (200, lease)
        outcome = runtime.govern(Action("read", "db1"), lambda _: pytest.fail("performed"))
        assert "has no `password`" in str(outcome.error)
        eventually(lambda: revoked(vault) == 1)

    def test_a_line_end_does_not_become_a_header(self, runtime, vault):
        data = {"username": "u\r\nx-admin: 1", "password": "p"}
        lease = {"lease_id": "l", "lease_duration": 1, "data": data}
        vault.answers["/creds/reader"] = (200, lease)
        outcome = runtime.govern(Action("read", "db1"), lambda _: pytest.fail("performed"))
        assert "cannot stand in a header" in str(outcome.error)

    @pytest.mark.parametrize("target", ["db*", "db/../x", 'db"', "db x", "db?", "db\n", "db" * 200])
    def test_a_word_that_is_no_plain_name_gets_no_credential(self, tmp_path, vault, target):
        grant = {"match": {"type": "*"}, "broker": "accounts", "scope": {"role": "{target}"}}
        brokers = {"accounts": {"type": "vault", "url": vault.url, "token": "root"}}
        sections = {"credentials": {"brokers": brokers, "grants": [grant]}}
        runtime = open_runtime(config(tmp_path, vault, **sections))
        outcome = runtime.govern(Action("read", target), lambda _: pytest.fail("performed"))
        assert "no plain name" in str(outcome.error)
        assert vault.received == []
        runtime.close()

    def test_the_repository_of_a_target_stands_in_a_scope_without_its_upstream(self):
        scope = {"repositories": ["{repository}"], "permissions": {"contents": "write"}}
        for target in ("github/acme/site", "acme/site"):
            made = scoped(scope, Action("git.push", target, protocol="git"))
            assert made == {"repositories": ["acme/site"], "permissions": {"contents": "write"}}


class TestConfiguration:
    def test_what_is_wrong_is_named_with_its_place(self, tmp_path):
        document = {
            "home": str(tmp_path),
            "credentials": {
                "brokers": {
                    "a": {"type": "vault", "url": "x", "tokn": "y"},
                    "b": {"type": "piggy_bank"},
                },
                "grants": [
                    {"match": {"type": "*"}, "broker": "c"},
                    {"match": {}, "broker": "a"},
                    {"match": {"type": "{a"}, "broker": "a"},
                    {"match": {"colour": "red"}, "broker": "a"},
                ],
            },
        }
        with pytest.raises(ConfigError) as caught:
            parse(document, "a.yaml")
        said = str(caught.value)
        for part in (
            "credentials.brokers.a.tokn: unknown key `tokn` (did you mean `token`?)",
            "no broker plugin `piggy_bank`",
            "credentials.grants[0].broker: there is no broker `c`",
            "credentials.grants[1].match: an empty match",
            "credentials.grants[2].match.type",
            "credentials.grants[3].match.colour: unknown key",
        ):
            assert part in said, said

    def test_a_reload_puts_other_grants_in_force(self, runtime, vault, tmp_path):
        assert runtime.govern(Action("read", "db1"), seen).result
        reload(runtime, config(tmp_path, vault, credentials={}))
        assert runtime.govern(Action("read", "db1"), seen).result is None


def test_a_provider_gets_the_headers_of_the_credential(tmp_path, serve, vault):
    reply = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
        ],
    }
    model = serve({"/chat/completions": (200, json.dumps(reply))})
    found = config(
        tmp_path,
        vault,
        providers={
            "up": {"type": "openai_compatible", "base_url": f"{model.url}/v1", "models": ["*"]}
        },
    )
    runtime = open_runtime(found)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

    async def go():
        action = Action("chat.completions", "db-model", body, protocol="llm")
        outcome = await runtime.agovern(action, lambda a: runtime.dispatch.complete(a.params))
        await runtime.dispatch.close()
        return outcome

    assert asyncio.run(go()).ok
    assert model.received[0].headers["authorization"] == f"Basic u:{SECRET}"
    runtime.close()
