"""Channels against services on real sockets: what they send, and the answers that come back.

One gateway has all of them, so that an answer given in one has to show in the others.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import re
import time
import urllib.parse
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

spec = importlib.util.spec_from_file_location("signers", Path(__file__).with_name("signers.py"))
signers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(signers)


class TestWhatTheySend:
    def test_a_request_is_shown_everywhere_with_what_a_person_needs(self, world):
        id = world.held("show <b>this</b> & @everyone")
        digest = world.state(id)["digest"]
        for service in world.services:
            got = service.wait(lambda got: id in got.body.decode())
            text = got.body.decode()
            for part in (digest, "reviewed", "ask-a-person"):
                assert part in text, service.url
        sent = world.slack.wait(lambda got: id in got.body.decode())
        assert sent.headers["authorization"] == "Bearer xoxb-token"
        assert "<b>" not in sent.body.decode()
        ids = [element["action_id"] for element in sent.json["blocks"][-1]["elements"]]
        assert ids == ["aegis_approve", "aegis_deny"]
        sent = world.discord.wait(lambda got: id in got.body.decode())
        assert sent.headers["authorization"] == "Bot discord-token"
        assert sent.json["allowed_mentions"] == {"parse": []}
        assert sent.json["components"][0]["components"][1]["custom_id"] == f"deny:{id}"
        sent = world.telegram.wait(lambda got: id in got.body.decode())
        assert sent.path == f"/bot{signers.TELEGRAM_TOKEN}/sendMessage"
        assert sent.json["chat_id"] == "-100"
        assert "parse_mode" not in sent.json
        sent = world.github.wait(lambda got: id in got.body.decode())
        assert sent.path == "/repos/acme/shop/issues/9/comments"
        assert sent.headers["authorization"] == "Bearer ghs_token"
        sent = world.github.wait(
            lambda got: got.path.endswith("check-runs") and id in str(got.json)
        )
        assert (sent.json["head_sha"], sent.json["external_id"]) == ("c0ffee", id)
        assert [action["identifier"] for action in sent.json["actions"]] == ["approve", "deny"]
        card = world.teams.wait(lambda got: id in got.body.decode()).json["attachments"][0]
        assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert card["content"]["actions"][0]["url"].startswith("https://aegis.example/v1/")
        alert = world.pagerduty.wait(lambda got: id in got.body.decode()).json
        assert (alert["routing_key"], alert["event_action"]) == ("rk", "trigger")
        assert alert["links"][0]["href"].startswith("https://aegis.example/v1/")
        to, text = world.mail(id)
        assert to == "mary@example.com"
        assert "https://aegis.example/v1/approvals/link/" in text

    def test_a_webhook_is_signed_so_that_its_receiver_can_tell(self, world):
        id = world.held("signed")
        got = world.webhook.wait(lambda got: id in got.body.decode())
        base = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode()
        mac = hmac.new(signers.HOOK_KEY, base + got.body, hashlib.sha256).digest()
        assert got.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
        assert got.json["type"] == "approval.requested"
        assert got.json["data"]["approval"] == id


def changed(world, id):
    """Every channel shows what became of a request."""

    def over(word):
        return lambda got: id in got.body.decode() and word in got.body.decode()

    assert world.webhook.wait(over("approval.decided")).json["data"]["by"] == "mary"
    shown = world.slack.wait(lambda got: got.path == "/chat.update" and id in got.body.decode())
    assert (shown.json["channel"], shown.json["ts"]) == ("C1", "1700.1")
    assert all(block["type"] != "actions" for block in shown.json["blocks"])
    shown = world.discord.wait(lambda got: got.method == "PATCH" and id in got.body.decode())
    assert shown.json["components"] == []
    shown = world.telegram.wait(
        lambda got: got.path.endswith("editMessageText") and id in got.body.decode()
    )
    assert shown.json["message_id"] == 42
    assert "by mary" in world.mail(id, "by mary")[1]
    shown = world.github.wait(lambda got: got.path.endswith("/501") and id in got.body.decode())
    assert "by mary" in shown.json["body"]
    shown = world.github.wait(lambda got: got.path.endswith("/601") and id in got.body.decode())
    assert shown.json["conclusion"] in ("success", "failure")
    world.teams.wait(lambda got: id in got.body.decode() and b"by mary" in got.body)
    over = world.pagerduty.wait(lambda got: id in got.body.decode() and b"resolve" in got.body)
    assert over.json["dedup_key"] == id


class TestAnswers:
    def test_a_signed_webhook_answers_and_every_channel_shows_it(self, world):
        id = world.held("by webhook")
        data = {"approval": id, "answer": "approve", "user": "u-mary", "comment": "fine"}
        done = world.call("webhook", *signers.hook(data, id=f"msg-{id}"))
        assert done.json == {"approval": id, "state": "approved"}
        seen = world.state(id)
        assert (seen["by"], seen["channel"], seen["comment"]) == ("mary", "webhook", "fine")
        changed(world, id)

    def test_a_button_in_slack(self, world):
        id = world.held("by slack")
        assert world.call("slack", *signers.slack(id)).status == 200
        seen = world.state(id)
        assert (seen["state"], seen["by"], seen["channel"]) == ("approved", "mary", "slack")
        changed(world, id)

    def test_a_button_in_discord(self, world):
        id = world.held("by discord")
        done = world.call("discord", *signers.discord(signers.pressed(id, nonce=f"i-{id}")))
        assert done.json == {"type": 6}
        assert world.state(id)["by"] == "mary"
        changed(world, id)

    def test_a_button_in_telegram(self, world):
        id = world.held("by telegram")
        done = world.call("telegram", *signers.telegram(id, "deny", update=1))
        assert done.json["method"] == "answerCallbackQuery"
        assert done.json["callback_query_id"] == "q1"
        seen = world.state(id)
        assert (seen["state"], seen["by"]) == ("denied", "mary")
        changed(world, id)

    def test_a_comment_on_github(self, world):
        id = world.held("by comment")
        done = world.call("github", *signers.comment(f" Approve {id}\n"))
        assert done.json == {"approval": id, "state": "approved"}
        assert (world.state(id)["by"], world.state(id)["channel"]) == ("mary", "github")
        changed(world, id)

    def test_a_button_of_a_check_run(self, world):
        id = world.held("by check")
        assert world.call("github", *signers.check(id, "deny")).json["state"] == "denied"
        changed(world, id)

    def test_the_link_that_a_group_sees_asks_who_answers(self, world):
        id = world.held("by group")
        for service, url in (
            (world.teams, lambda got: got.json["attachments"][0]["content"]["actions"][0]["url"]),
            (world.pagerduty, lambda got: got.json["links"][0]["href"]),
        ):
            sent = service.wait(lambda got: id in got.body.decode())
            path = urllib.parse.urlsplit(url(sent)).path
            form = {"content-type": "application/x-www-form-urlencoded"}
            bare = world.gateway.request("POST", path, "answer=approve", form, key=None)
            assert bare.status == 403
            key = world.gateway.keys["boss"]
            filled = urllib.parse.urlencode({"answer": "approve", "key": key})
            assert world.gateway.request("POST", path, filled, form, key=None).status == 200
        assert world.state(id)["by"] == "boss"

    def test_the_link_in_a_mail(self, world):
        id = world.held("by mail")
        path = re.search(r"https://aegis\.example(/v1/approvals/link/\S+)", world.mail(id)[1])[1]
        assert world.gateway.request("GET", path, key=None).status == 200
        assert world.state(id)["state"] == "pending"
        form = {"content-type": "application/x-www-form-urlencoded"}
        done = world.gateway.request("POST", path, "answer=approve", form, key=None)
        assert done.status == 200
        seen = world.state(id)
        assert (seen["state"], seen["by"], seen["channel"]) == ("approved", "mary", "mail")
        changed(world, id)

    def test_an_answer_over_http_shows_in_every_channel(self, world):
        id = world.held("by http")
        world.gateway.request("POST", f"/v1/approvals/{id}", {"answer": "deny"}, key="boss")
        world.slack.wait(lambda got: got.path == "/chat.update" and id in got.body.decode())
        world.telegram.wait(
            lambda got: got.path.endswith("editMessageText") and id in got.body.decode()
        )

    def test_discord_probes_the_address(self, world):
        assert world.call("discord", *signers.discord({"type": 1})).json == {"type": 1}
        other = Ed25519PrivateKey.generate()
        assert world.call("discord", *signers.discord({"type": 1}, key=other)).status == 401

    def test_other_updates_of_telegram_are_passed_over(self, world):
        body = json.dumps({"update_id": 900, "message": {"text": "approve everything"}}).encode()
        reply = world.call(
            "telegram", body, {"x-telegram-bot-api-secret-token": signers.TELEGRAM_SECRET}
        )
        assert reply.status == 200


def test_a_service_that_is_down_is_told_later_and_holds_up_nobody(world):
    world.slack.failing = True
    try:
        reply = world.gateway.chat("reviewed", "slack is down")
        id = reply.error["aegis"]["approval"]
        world.telegram.wait(lambda got: id in got.body.decode())
        world.slack.wait(lambda got: id in got.body.decode())
    finally:
        world.slack.failing = False
    count = sum(id in got.body.decode() for got in world.slack.received)
    deadline = time.monotonic() + 20
    while sum(id in got.body.decode() for got in world.slack.received) <= count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
