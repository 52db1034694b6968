"""Approvals and parked runs over HTTP: who sees and answers what, signed links, resuming."""

import json
import re
import threading
import time
import urllib.parse

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load
from aegis.kernel.links import PATH


def held(gateway, content, key="plain", **more):
    """A completion that waits for a person: its approval and its run."""
    reply = gateway.chat("reviewed", content, key=key, **more)
    assert reply.status == 403
    assert reply.error["code"] == "approval_required"
    return reply.error["aegis"]["approval"], reply.error["aegis"]["run"]


def answer(gateway, approval, word="approve", key="boss", **more):
    body = {"answer": word, **more}
    return gateway.request("POST", f"/v1/approvals/{approval}", body, key=key)


class TestRest:
    def test_an_approver_sees_what_waits_and_what_it_is_about(self, gateway):
        approval, run = held(gateway, "list me")
        listed = gateway.request("GET", "/v1/approvals", key="boss").json["data"]
        (found,) = [each for each in listed if each["id"] == approval]
        assert found["state"] == "pending"
        assert found["target"] == "reviewed"
        assert found["rule"] == "ask-a-person"
        assert found["run"] == run
        assert len(found["digest"]) == 64
        assert found["params"]["messages"][0]["content"] == "list me"

    def test_a_key_without_the_role_sees_only_its_own(self, gateway):
        approval, _ = held(gateway, "mine")
        assert gateway.request("GET", "/v1/approvals").error["code"] == "not_approver"
        assert gateway.request("GET", f"/v1/approvals/{approval}").json["state"] == "pending"
        for key in ("bound", "other-tenant"):
            seen = gateway.request("GET", f"/v1/approvals/{approval}", key=key)
            assert seen.error["code"] == "approval_not_found"
        assert answer(gateway, approval, key="plain").error["code"] == "not_approver"
        assert answer(gateway, approval, key="other-tenant").status == 404
        assert gateway.request("GET", "/v1/approvals", key=None).status == 401

    def test_an_approver_does_not_answer_for_itself(self, gateway):
        approval, _ = held(gateway, "self", key="boss")
        refused = answer(gateway, approval)
        assert refused.status == 409
        assert "cannot approve it" in refused.error["message"]
        assert answer(gateway, approval, key="second").json["state"] == "approved"

    @pytest.mark.parametrize(
        "body",
        [
            {"answer": "I do NOT approve"},
            {"answer": "approved"},
            {"answer": True},
            {"answer": "approve", "scope": "ever"},
            {"answer": "approve", "extra": 1},
            {"approve": True},
            [],
            "approve",
        ],
    )
    def test_only_an_exact_answer_is_one(self, gateway, body):
        approval, _ = held(gateway, "exact")
        body = json.dumps(body).encode()
        reply = gateway.request("POST", f"/v1/approvals/{approval}", body, key="boss")
        assert reply.status == 400
        assert gateway.request("GET", f"/v1/approvals/{approval}").json["state"] == "pending"

    def test_the_same_answer_again_is_fine_and_another_is_told_who_was_first(self, gateway):
        approval, _ = held(gateway, "race")
        assert answer(gateway, approval, "deny", comment="no").json["by"] == "boss"
        assert answer(gateway, approval, "deny").status == 200
        late = answer(gateway, approval, key="second")
        assert late.status == 409
        assert "already denied by `boss`" in late.error["message"]


class TestRuns:
    def test_a_run_waits_is_approved_and_resumed_once(self, gateway, upstream):
        approval, run = held(gateway, "resume me")
        mine = gateway.request("GET", "/v1/runs").json["data"]
        assert run in [each["id"] for each in mine]
        early = gateway.request("POST", f"/v1/runs/{run}/resume")
        assert early.error["code"] == "approval_required"
        answer(gateway, approval)
        assert gateway.request("GET", f"/v1/runs/{run}").json["state"] == "approved"
        replies = []

        def resume():
            replies.append(gateway.request("POST", f"/v1/runs/{run}/resume"))

        threads = [threading.Thread(target=resume) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = [reply for reply in replies if reply.status == 200]
        assert len(done) == 1
        assert done[0].json["choices"][0]["message"]["role"] == "assistant"
        assert {reply.status for reply in replies} <= {200, 404, 409}
        assert gateway.request("GET", f"/v1/runs/{run}").status == 404

    def test_a_stream_is_resumed_as_a_whole(self, gateway):
        approval, run = held(gateway, "stream me", stream=True)
        answer(gateway, approval)
        reply = gateway.request("POST", f"/v1/runs/{run}/resume")
        assert reply.status == 200
        assert reply.json["object"] == "chat.completion"

    def test_a_denied_run_is_refused_with_the_reason(self, gateway):
        approval, run = held(gateway, "deny me")
        answer(gateway, approval, "deny", comment="not today")
        reply = gateway.request("POST", f"/v1/runs/{run}/resume")
        assert reply.error["code"] == "approval_denied"
        assert "not today" in reply.error["message"]

    def test_another_key_neither_sees_nor_resumes_it(self, gateway):
        _, run = held(gateway, "private")
        for method, path in (("GET", run), ("POST", f"{run}/resume")):
            for key in ("bound", "boss"):
                reply = gateway.request(method, f"/v1/runs/{path}", key=key)
                assert reply.error["code"] == "run_not_found"

    def test_no_such_thing(self, gateway):
        assert gateway.request("GET", "/v1/runs/nothing").status == 404
        assert gateway.request("POST", "/v1/runs/nothing/resume").status == 404
        assert gateway.request("POST", "/v1/runs/nothing").status == 404


PUBLIC = {"approvals": {"wait_seconds": 0.2, "public_url": "https://aegis.example/"}}


@pytest.fixture
def linked(fresh, tmp_path):
    """A gateway, and a maker of links to its approvals."""
    gateway = fresh(**PUBLIC)
    runtime = open_runtime(load(tmp_path / "aegis.yaml"), recover=False)

    def link(approval, person=""):
        url = runtime.desk.links.make(runtime.desk.find(approval), "mail", person)
        assert url.startswith("https://aegis.example/v1/")
        return urllib.parse.urlsplit(url).path

    yield gateway, link, runtime
    runtime.close()


def post(gateway, path, fields, **headers):
    sent = {"content-type": "application/x-www-form-urlencoded", **headers}
    return gateway.request("POST", path, urllib.parse.urlencode(fields), sent, key=None)


def refusals(runtime, tmp_path):
    from aegis.cli import home
    from aegis.ledger.entry import Query

    stores = home.readers(load(tmp_path / "aegis.yaml"))
    rows = [row for store in stores for row in store.rows(Query(kind="admin"))]
    return [row for row in rows if b"approval.refused" in row.entry]


class TestLinks:
    def test_looking_changes_nothing_and_the_form_answers_once(self, linked):
        gateway, link, _ = linked
        approval, run = held(gateway, "<script>alert(1)</script> \u202e")
        path = link(approval, "mary")
        for _ in range(3):
            page = gateway.request("GET", path, key=None)
            assert page.status == 200
        text = page.body.decode()
        assert "You answer as mary" in text
        assert "<script>" not in text
        assert "\u202e" not in text
        assert page.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        state = gateway.request("GET", f"/v1/approvals/{approval}").json
        assert state["state"] == "pending"
        done = post(gateway, path, {"answer": "approve", "comment": "ok"})
        assert done.status == 200
        state = gateway.request("GET", f"/v1/approvals/{approval}").json
        assert (state["state"], state["by"], state["channel"]) == ("approved", "mary", "mail")
        again = post(gateway, path, {"answer": "approve"})
        assert again.status == 403
        assert b"used already" in again.body
        assert b"Nothing to answer" in gateway.request("GET", path, key=None).body
        assert gateway.request("POST", f"/v1/runs/{run}/resume").status == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"answer": "I do NOT approve"},
            {"answer": "approved"},
            {"comment": "approve"},
            [("answer", "approve"), ("answer", "deny")],
        ],
    )
    def test_a_form_without_exactly_one_answer_is_none(self, linked, fields):
        gateway, link, _ = linked
        approval, _ = held(gateway, "form")
        assert post(gateway, link(approval, "mary"), fields).status == 403
        seen = gateway.request("GET", f"/v1/approvals/{approval}").json
        assert seen["state"] == "pending"

    def test_another_site_cannot_send_the_form(self, linked):
        gateway, link, _ = linked
        approval, _ = held(gateway, "csrf")
        path = link(approval, "mary")
        for site in ("cross-site", "same-site"):
            refused = post(gateway, path, {"answer": "approve"}, **{"sec-fetch-site": site})
            assert refused.status == 403
        fine = post(gateway, path, {"answer": "deny"}, **{"sec-fetch-site": "same-origin"})
        assert fine.status == 200

    def test_a_changed_link_is_refused_and_recorded(self, linked, tmp_path):
        gateway, link, runtime = linked
        approval, _ = held(gateway, "forged")
        path = link(approval, "mary")
        token = path.removeprefix(PATH)
        said, mac = token.split(".")
        other = link(approval, "eve").removeprefix(PATH).split(".")[0]
        for wrong in (f"{other}.{mac}", said, f"{said}.", f"{said}.{mac[:-2]}", "x" * 5000, "é."):
            quoted = urllib.parse.quote(PATH + wrong)
            assert gateway.request("GET", quoted, key=None).status == 404
            assert post(gateway, quoted, {"answer": "approve"}).status == 403
        seen = gateway.request("GET", f"/v1/approvals/{approval}").json
        assert seen["state"] == "pending"
        assert len(refusals(runtime, tmp_path)) == 6

    def test_a_link_that_names_nobody_asks_for_a_key(self, linked):
        gateway, link, _ = linked
        approval, _ = held(gateway, "group")
        path = link(approval)
        assert re.search(b'name="key"', gateway.request("GET", path, key=None).body)
        for key in ("", "sk-aegis-wrong", gateway.keys["plain"]):
            refused = post(gateway, path, {"answer": "approve", "key": key, "comment": "x"})
            assert refused.status == 403, key
        done = post(gateway, path, {"answer": "approve", "key": gateway.keys["boss"]})
        assert done.status == 200
        assert gateway.request("GET", f"/v1/approvals/{approval}").json["by"] == "boss"

    def test_the_one_who_asked_cannot_use_a_link(self, linked):
        gateway, link, _ = linked
        approval, _ = held(gateway, "own")
        refused = post(gateway, link(approval, "plain"), {"answer": "approve"})
        assert refused.status == 403
        assert b"cannot approve it" in refused.body

    def test_an_expired_link_says_so(self, fresh, tmp_path):
        gateway = fresh(approvals={**PUBLIC["approvals"], "ttl_seconds": 0.6})
        runtime = open_runtime(load(tmp_path / "aegis.yaml"), recover=False)
        approval, _ = held(gateway, "late")
        url = runtime.desk.links.make(runtime.desk.find(approval), "mail", "mary")
        runtime.close()
        path = urllib.parse.urlsplit(url).path
        deadline = time.monotonic() + 10
        while b"has expired" not in gateway.request("GET", path, key=None).body:
            assert time.monotonic() < deadline


def test_a_callback_for_nobody_is_404(gateway):
    reply = gateway.request("POST", "/v1/approvals/callback/nowhere", {}, key=None)
    assert reply.status == 404
