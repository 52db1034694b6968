"""The remote actions on the wire: what the server takes, and what it refuses."""

import asyncio
import json
import time

import pytest

from aegis.ledger.entry import Query
from aegis.surfaces.gateway.actions import Actions

CONFIG = {"guardrails": {}, "policy": {"rules": [{"match": {"type": "read"}, "approval": "auto"}]}}


def begin(server, key="app", **more):
    body = {"action": {"type": "read", "params": {"a": 1}}, **more}
    status, said = server.post("/v1/aegis/actions", body, key)
    assert status == 200, said
    return said


def test_the_wire_of_an_action(shared):
    said = begin(shared)
    assert said["go"] is True
    assert set(said) == {"go", "id", "token"}
    path = f"/v1/aegis/actions/{said['id']}/outcome"
    assert shared.post(path, {"token": "wrong", "result": 1})[0] == 403
    assert shared.post(path, {"token": said["token"], "result": 1}, "other")[0] == 404
    status, ended = shared.post(path, {"token": said["token"], "result": {"rows": 1}})
    assert (status, ended["status"], ended["decision"]["verdict"]) == (200, "performed", "allow")
    assert "result" not in ended
    status, again = shared.post(path, {"token": said["token"], "result": {"rows": 2}})
    assert (status, again["error"]["code"]) == (404, "not_open")
    outcome = next(o for o in shared.records("outcome") if o["action"] == said["id"])
    assert (outcome["status"], outcome["result"]) == ("performed", {"rows": 1})


def test_what_is_not_reported_in_time_is_unknown(shared):
    said = begin(shared, seconds=0.2)
    time.sleep(0.5)
    path = f"/v1/aegis/actions/{said['id']}/outcome"
    status, late = shared.post(path, {"token": said["token"], "result": 1})
    assert status == 404
    assert "recorded as unknown" in late["error"]["message"]
    outcome = next(o for o in shared.records("outcome") if o["action"] == said["id"])
    assert outcome["status"] == "unknown"


def test_a_dry_question_opens_nothing(shared):
    said = begin(shared, dry=True)
    assert (said["go"], said["decision"]["verdict"]) == (False, "allow")


def test_lists_from_programs_never_widen(shared):
    body = {"name": "Sly", "allow": ["*"]}
    assert shared.post("/v1/aegis/agents", body)[0] == 200
    for type, go in (("read", True), ("delete", False), ("transfer", False)):
        action = {"type": type, "agent": "Sly"}
        status, said = shared.post("/v1/aegis/actions", {"action": action})
        assert (status, said["go"]) == (200, go)
    body = {"name": "Sly", "allow": ["x"]}
    status, said = shared.post("/v1/aegis/agents", body, "other")
    assert (status, said["error"]["code"]) == (400, "unusable")
    assert "by somebody else" in said["error"]["message"]


def test_a_key_bound_to_an_agent_acts_for_no_other(shared):
    for path, body in (
        ("/v1/aegis/actions", {"action": {"type": "read", "agent": "Other"}}),
        ("/v1/aegis/agents", {"name": "Other", "allow": ["x"]}),
        ("/v1/aegis/agents/Other/status", {"status": "paused"}),
    ):
        status, said = shared.post(path, body, "bound")
        assert (status, said["error"]["code"]) == (403, "other_agent")
    said = begin(shared, key="bound")
    decision = next(d for d in shared.records("decision") if d["action"] == said["id"])
    assert decision["actor"]["agent"] == "Bot"


ACTION = {"type": "read"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"action": 5}', b'{"action": {"type": ""}}',
        b'{"action": {"type": "x"}, "action": {"type": "y"}}',
        {"action": {"type": "x" * 2000}}, {"action": {"typ": "x"}}, {"action": ACTION, "x": 1},
        {"action": {"type": "x", "params": []}}, {"action": {"type": "x", "protocol": "carrier"}},
        {"action": ACTION, "seconds": 0}, {"action": ACTION, "seconds": 1e9},
        {"action": ACTION, "tighten": {"verdict": "perhaps"}},
        {"action": {"type": "x", "agent": "a" * 300}},
        b'{"action": {"type": "x", "params": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}}",
    ],
    ids=range(17),
)  # fmt: skip
def test_unusable_bodies_are_refused(shared, body):
    status, said = shared.post("/v1/aegis/actions", body)
    assert status in (200, 400), said
    if status == 200:  # too deep to be inspected: an answer of the flow, and a refusal
        assert said["go"] is False
    else:
        assert said["error"]["code"] in ("malformed", "unusable")
        assert said["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/v1/aegis/actions/x", "/v1/aegis/agents/x", "/v1/aegis/agents//status"]
)
def test_unknown_paths(shared, path):
    assert shared.post(path, {})[0] == 404


def test_a_tightened_question(shared):
    tighten = {"verdict": "block", "rule": "budget", "reasons": ["no money left"]}
    said = begin(shared, tighten=tighten)
    assert (said["go"], said["decision"]["rule"]) == (False, "client:budget")
    assert "no money left" in said["decision"]["reasons"]
    said = begin(shared, tighten={"verdict": "allow"})
    assert said["go"] is True


def test_open_actions_are_bounded(monkeypatch):
    from aegis.kernel.build import open_runtime
    from aegis.kernel.config import parse
    from aegis.model import Principal
    from aegis.surfaces.gateway import actions

    monkeypatch.setattr(actions, "OPEN_MAX", 2)

    async def main():
        runtime = open_runtime(parse(CONFIG), memory=True)
        table, principal = Actions(), Principal("key_1")
        body = json.dumps({"action": {"type": "read"}}).encode()
        statuses = [(await table.begin(runtime, principal, body))[0] for _ in range(3)]
        await table.close()
        statuses.append((await table.begin(runtime, principal, body))[0])
        await table.close()
        kinds = [r.fields.get("status") for r in runtime.journal.records(Query(kind="outcome"))]
        runtime.close()
        return statuses, kinds

    statuses, kinds = asyncio.run(main())
    assert statuses == [200, 200, 503, 200]
    assert kinds == ["unknown"] * 3
