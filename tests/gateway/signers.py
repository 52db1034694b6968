"""Callbacks as the vendors sign them, made from their descriptions, not with the code under test.

Each function gives the body and the headers of one request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.parse

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HOOK_KEY = bytes(range(32))
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
DISCORD = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x07")
TELEGRAM_TOKEN, TELEGRAM_SECRET = "123456:AA-bot-token", "telegram-secret-token"
GITHUB_SECRET = "github-webhook-secret"


def now():
    return str(int(time.time()))


def hook(data, *, id, stamp=None, key=HOOK_KEY):
    """A Standard Webhooks request: body and headers."""
    body = json.dumps({"type": "approval.answer", "data": data}).encode()
    stamp = stamp or now()
    mac = hmac.new(key, b"%s.%s.%s" % (id.encode(), stamp.encode(), body), hashlib.sha256)
    signature = "v1," + base64.b64encode(mac.digest()).decode()
    return body, {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,bm90IG91cnM= {signature}",
    }


def slack(id, *, user="UMARY", action="aegis_approve", stamp=None, secret=SLACK_SECRET, team="T1"):
    payload = {
        "type": "block_actions",
        "user": {"id": user, "name": "whoever"},
        "team": {"id": team},
        "container": {"channel_id": "C1", "message_ts": "1700.1"},
        "actions": [{"action_id": action, "value": id, "type": "button"}],
        "trigger_id": "1.2.3",
        "response_url": "https://hooks.slack.com/actions/1",
    }
    body = urllib.parse.urlencode({"payload": json.dumps(payload)}).encode()
    stamp = stamp or now()
    base = b"v0:" + stamp.encode() + b":" + body
    return body, {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest(),
    }


def discord(fields, *, stamp=None, key=DISCORD):
    body = json.dumps(fields).encode()
    stamp = stamp or now()
    return body, {
        "x-signature-timestamp": stamp,
        "x-signature-ed25519": key.sign(stamp.encode() + body).hex(),
    }


def pressed(id, word="approve", *, nonce, user="1001"):
    return {
        "type": 3,
        "id": nonce,
        "data": {"custom_id": f"{word}:{id}", "component_type": 2},
        "member": {"user": {"id": user, "username": "whoever"}},
    }


def telegram(id, word="approve", *, update, user=2001, chat=-100, secret=TELEGRAM_SECRET):
    query = {
        "id": f"q{update}",
        "from": {"id": user, "username": "whoever"},
        "message": {"message_id": 42, "chat": {"id": chat}},
        "data": f"{word}:{id}",
    }
    body = json.dumps({"update_id": update, "callback_query": query}).encode()
    return body, {"x-telegram-bot-api-secret-token": secret}


def github(event, fields, *, secret=GITHUB_SECRET, login="mary-gh", kind="User"):
    sender = {"login": login, "type": kind}
    body = json.dumps({"repository": {"full_name": "acme/shop"}, "sender": sender, **fields})
    mac = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    delivery = f"d-{time.time_ns()}"
    headers = {"x-github-event": event, "x-github-delivery": delivery}
    return body.encode(), {**headers, "x-hub-signature-256": f"sha256={mac}"}


def comment(text, *, number=9, **more):
    fields = {"action": "created", "issue": {"number": number}, "comment": {"body": text}}
    return github("issue_comment", {**fields, "at": time.time_ns()}, **more)


def check(id, word="approve", *, name="aegis approval", **more):
    run = {"external_id": id, "name": name, "head_sha": "c0ffee"}
    fields = {"action": "requested_action", "requested_action": {"identifier": word}}
    return github("check_run", {**fields, "check_run": run, "at": time.time_ns()}, **more)
