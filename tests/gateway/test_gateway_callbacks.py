"""Callbacks that channels do not believe: forged, stale, replayed, of nobody, or no answer."""

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

spec = importlib.util.spec_from_file_location("signers", Path(__file__).with_name("signers.py"))
signers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(signers)


def old():
    return str(int(time.time()) - 301)


def ahead():
    return str(int(time.time()) + 400)


def without(request, header):
    body, headers = request
    return body, {name: value for name, value in headers.items() if name != header}


def with_body(request, body):
    return body, request[1]


OTHER = Ed25519PrivateKey.generate()

FORGED = {
    "webhook other key": ("webhook", lambda i: signers.hook(_yes(i), id="f1", key=bytes(32))),
    "webhook old": ("webhook", lambda i: signers.hook(_yes(i), id="f2", stamp=old())),
    "webhook ahead": ("webhook", lambda i: signers.hook(_yes(i), id="f3", stamp=ahead())),
    "webhook no time": ("webhook", lambda i: signers.hook(_yes(i), id="f4", stamp="soon")),
    "webhook unsigned": (
        "webhook",
        lambda i: without(signers.hook(_yes(i), id="f5"), "webhook-signature"),
    ),
    "webhook no id": ("webhook", lambda i: signers.hook(_yes(i), id="")),
    "webhook other body": (
        "webhook",
        lambda i: with_body(signers.hook(_yes(i), id="f6"), signers.hook(_yes("ap_x"), id="f6")[0]),
    ),
    "slack other key": ("slack", lambda i: signers.slack(i, secret="guess")),
    "slack old": ("slack", lambda i: signers.slack(i, stamp=old())),
    "slack ahead": ("slack", lambda i: signers.slack(i, stamp=ahead())),
    "slack unsigned": ("slack", lambda i: without(signers.slack(i), "x-slack-signature")),
    "slack no time": ("slack", lambda i: without(signers.slack(i), "x-slack-request-timestamp")),
    "slack other body": (
        "slack",
        lambda i: with_body(signers.slack(i), signers.slack(i, user="UPLAIN")[0]),
    ),
    "discord other key": (
        "discord",
        lambda i: signers.discord(signers.pressed(i, nonce="n"), key=OTHER),
    ),
    "discord old": (
        "discord",
        lambda i: signers.discord(signers.pressed(i, nonce="n"), stamp=old()),
    ),
    "discord unsigned": (
        "discord",
        lambda i: without(signers.discord(signers.pressed(i, nonce="n")), "x-signature-ed25519"),
    ),
    "discord no hex": (
        "discord",
        lambda i: (b"{}", {"x-signature-timestamp": signers.now(), "x-signature-ed25519": "zz"}),
    ),
    "github other key": ("github", lambda i: signers.comment(f"approve {i}", secret="guess")),
    "github unsigned": (
        "github",
        lambda i: without(signers.comment(f"approve {i}"), "x-hub-signature-256"),
    ),
    "github other body": (
        "github",
        lambda i: with_body(signers.comment(f"deny {i}"), signers.comment(f"approve {i}")[0]),
    ),
    "telegram other token": ("telegram", lambda i: signers.telegram(i, update=50, secret="guess")),
    "telegram no token": (
        "telegram",
        lambda i: without(signers.telegram(i, update=51), "x-telegram-bot-api-secret-token"),
    ),
}


def _yes(id):
    return {"approval": id, "answer": "approve", "user": "u-mary"}


@pytest.fixture(scope="module")
def target(world):
    """A request that nobody manages to answer."""
    return world.held("forge me")


class TestWhatTheyRefuse:
    @pytest.mark.parametrize("name", FORGED)
    def test_what_is_not_signed_as_the_vendor_signs_is_401(self, world, target, name):
        channel, make = FORGED[name]
        assert world.call(channel, *make(target)).status == 401
        assert world.state(target)["state"] == "pending"

    @pytest.mark.parametrize(
        ("channel", "make"),
        [
            ("webhook", lambda i: signers.hook({**_yes(i), "answer": "I do NOT approve"}, id="w1")),
            ("webhook", lambda i: signers.hook({**_yes(i), "answer": "true"}, id="w2")),
            ("webhook", lambda i: signers.hook({**_yes(i), "answer": True}, id="w3")),
            ("webhook", lambda i: signers.hook({**_yes(i), "approved": "false"}, id="w4")),
            ("webhook", lambda i: signers.hook([], id="w5")),
            ("slack", lambda i: signers.slack(i, action="approve")),
            ("slack", lambda i: signers.slack(i, team="T2")),
            (
                "discord",
                lambda i: signers.discord(signers.pressed(i, "I do NOT approve", nonce="d1")),
            ),
            ("discord", lambda i: signers.discord({**signers.pressed(i, nonce="d2"), "type": 2})),
            ("discord", lambda i: signers.discord([])),
            ("telegram", lambda i: signers.telegram(i, "I do NOT approve", update=60)),
            ("telegram", lambda i: signers.telegram(i, update=61, chat=-200)),
        ],
    )
    def test_what_is_signed_and_no_answer_is_400(self, world, target, channel, make):
        assert world.call(channel, *make(target)).status == 400
        assert world.state(target)["state"] == "pending"

    @pytest.mark.parametrize(
        "make",
        [
            lambda i: signers.comment("approve"),
            lambda i: signers.comment(f"I do NOT approve {i}"),
            lambda i: signers.comment(f"approve {i} please"),
            lambda i: signers.comment(f"> approve {i}\n\nno"),
            lambda i: signers.comment(f"approve {i}", number=8),
            lambda i: signers.comment(f"approve {i}", kind="Bot"),
            lambda i: signers.check(i, "I do NOT approve"),
            lambda i: signers.check(i, name="another check"),
            lambda i: signers.github("issue_comment", {"action": "deleted"}),
            lambda i: signers.github("ping", {"zen": "approve"}),
        ],
    )
    def test_talk_on_github_is_passed_over(self, world, target, make):
        assert world.call("github", *make(target)).status == 200
        assert world.state(target)["state"] == "pending"

    @pytest.mark.parametrize(
        ("channel", "make"),
        [
            ("github", lambda i: signers.comment(f"approve {i}", login="mary")),
            ("webhook", lambda i: signers.hook({**_yes(i), "user": "mary"}, id="u1")),
            ("slack", lambda i: signers.slack(i, user="UEVE")),
            ("discord", lambda i: signers.discord(signers.pressed(i, nonce="u2", user="6"))),
            ("telegram", lambda i: signers.telegram(i, update=70, user=6)),
        ],
    )
    def test_a_user_who_is_nobody_is_told_so(self, world, target, channel, make):
        reply = world.call(channel, *make(target))
        assert world.state(target)["state"] == "pending"
        if channel == "slack":
            told = world.slack.wait(lambda got: got.path == "/chat.postEphemeral")
            assert "nobody who may answer" in told.json["text"]
        else:
            assert b"nobody who may answer" in reply.body

    def test_the_one_who_asked_cannot_answer_in_a_chat_either(self, world, target):
        world.call("slack", *signers.slack(target, user="UPLAIN"))
        world.slack.wait(lambda got: b"cannot approve it" in got.body)
        assert world.state(target)["state"] == "pending"

    @pytest.mark.parametrize("channel", ["webhook", "slack", "discord", "telegram", "github"])
    def test_a_callback_is_taken_once(self, world, channel):
        id, other = world.held(f"replay {channel}"), f"r-{time.time_ns()}"
        request = {
            "webhook": lambda: signers.hook(_yes(id), id=other),
            "slack": lambda: signers.slack(id),
            "discord": lambda: signers.discord(signers.pressed(id, nonce=other)),
            "telegram": lambda: signers.telegram(id, update=time.time_ns() // 1000),
            "github": lambda: signers.comment(f"approve {id}"),
        }[channel]()
        assert world.call(channel, *request).status == 200
        replayed = world.call(channel, *request)
        assert replayed.status == 409
        assert "received already" in replayed.error["message"]

    def test_of_many_identical_ones_at_once_one_is_taken(self, world):
        request, said = signers.slack(world.held("flood")), []
        threads = [
            threading.Thread(target=lambda: said.append(world.call("slack", *request).status))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said) == [200] + [409] * 5

    def test_mails_have_no_callbacks(self, world):
        assert world.call("mail", b"approve", {}).status == 400

    def test_a_huge_callback_is_not_read(self, world):
        assert world.call("slack", b"x" * 300_000, {}).status == 413

    def test_each_refusal_is_on_record_and_no_secret_is(self, world):
        kept = world.refusals()
        for why in ("signature", "more than 300 seconds", "received already", "nobody who may"):
            assert why in kept, why
        for secret in (
            signers.GITHUB_SECRET,
            signers.SLACK_SECRET,
            signers.TELEGRAM_SECRET,
            signers.TELEGRAM_TOKEN,
            "xoxb-token",
        ):
            assert secret not in kept
