"""Requests through the proxy: who asks, what is decided, what the server and the client see."""

import gzip
import json

import pytest

from .conftest import origins

MAIL, TOKEN, ATTACK = origins.MAIL, origins.TOKEN, origins.ATTACK


def last(origin):
    return origin.seen[-1]


def test_a_request_reaches_the_server_and_its_answer_the_client(gate, origin, site):
    answer = gate.get(f"{site}/a/b?q=1", headers={"x-mine": "yes", "te": "trailers"})
    assert answer.status == 200
    assert answer.json["path"] == "/a/b?q=1"
    got = last(origin)["headers"]
    assert got["host"] == f"origin.test:{origin.port}"
    assert got["x-mine"] == "yes"
    assert got["via"].startswith("1.1 aegis-")
    assert not {"proxy-authorization", "te", "connection"} & set(got)
    assert answer.headers["x-aegis-verdict"] == "allow"
    assert int(answer.headers["x-aegis-record"]) > 0


def test_methods_and_bodies_travel(gate, origin, site):
    answer = gate.ask("PUT", f"{site}/x", b"\0\xff\xfe binary")
    assert answer.json["body"] == "\0\xff\xfe binary"
    answer = gate.ask("POST", f"{site}/x", {"a": [1, "ü"]})
    assert json.loads(answer.json["body"].encode("latin-1")) == {"a": [1, "ü"]}
    head = gate.ask("HEAD", f"{site}/png")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(origins.PNG)
    assert gate.get(f"{site}/png").body == origins.PNG


def test_a_chunked_body_arrives_whole(gate, origin, site):
    pieces = iter([b"4\r\none \r\n4;x=y\r\ntwo \r\n", b"5\r\nthree\r\n0\r\nx-late: 1\r\n\r\n"])
    answer = gate.ask("POST", f"{site}/x", pieces, {"transfer-encoding": "chunked"})
    assert answer.json["body"] == "one two three"
    assert answer.json["headers"]["content-length"] == "13"
    assert "x-late" not in answer.json["headers"]


@pytest.mark.parametrize("key", ["", "sk-aegis-wrong"])
def test_nobody_unknown_asks(gate, origin, site, key):
    before = len(origin.seen)
    answer = gate.get(site, key=key)
    assert (answer.status, answer.code) == (407, "proxy_authentication_required")
    assert answer.headers["proxy-authenticate"].startswith("Basic")
    assert len(origin.seen) == before


def test_a_bearer_key_is_taken_too(gate, site):
    token = {"proxy-authorization": f"Bearer {gate.keys['plain']}"}
    assert gate.get(site, headers=token, key="").status == 200
    both = {"proxy-authorization": "Basic !!"}
    assert gate.get(site, headers=both, key="").status == 407


def test_the_user_of_the_proxy_names_the_agent_and_a_bound_key_names_its_own(gate, site):
    gate.get(f"{site}/who-1")
    gate.get(f"{site}/who-2", key="bound")
    found = {
        one["target"].rpartition("/")[2]: one["actor"]["agent"]
        for one in gate.records("--kind", "decision")
        if "who-" in one["target"]
    }
    assert found == {"who-1": "bot", "who-2": "billing-bot"}


@pytest.mark.parametrize(
    "path",
    ["admin/x", "%61dmin/x", "a/../admin/x", "a/%2e%2e/admin/x", "./admin/x", "ADMIN/x", "admin/"],
)
def test_a_rule_over_a_path_holds_however_it_is_spelt(gate, origin, site, path):
    before = len(origin.seen)
    answer = gate.get(f"{site}/{path}")
    assert (answer.status, answer.code) == (403, "policy_violation")
    about = answer.json["error"]["aegis"]
    assert (about["rule"], about["verdict"]) == ("admin", "block")
    assert about["advice"]
    assert answer.headers["x-aegis-rule"] == "admin"
    assert "error=http_request_denied" in answer.headers["proxy-status"]
    assert len(origin.seen) == before


def test_what_is_judged_is_what_is_sent(gate, origin, site):
    gate.get(f"{site}/a/./b/%7Ec/%c3%bc?x=%7e/../y")
    assert last(origin)["path"] == "/a/b/~c/%C3%BC?x=~/../y"


def test_rules_over_methods_and_hosts_and_bodies(gate, site):
    assert gate.ask("DELETE", f"{site}/x").code == "policy_violation"
    assert gate.get("http://EVIL.test./x").json["error"]["aegis"]["rule"] == "no-host"
    assert gate.ask("POST", f"{site}/pay/x", {"amount": 99}).status == 200
    assert (
        gate.ask("POST", f"{site}/pay/x", {"amount": 101}).json["error"]["aegis"]["rule"] == "small"
    )
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = gate.ask("POST", f"{site}/pay/x", b"amount=101&b=1", form)
    assert answer.json["error"]["aegis"]["rule"] == "small"
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = gate.ask("POST", f"{site}/pay/x", gzip.compress(b'{"amount": 101}'), packed)
    assert answer.json["error"]["aegis"]["rule"] == "small"


def test_why_and_the_proxy_agree(gate, site):
    for path in ("admin/x", "free"):
        told = gate.aegis(
            "why", "GET", f"{site}/{path}", "--protocol", "http", "--json", "--config",
            str(gate.config), "--param", f"url={site}/{path}", "--param", "method=GET",
        )  # fmt: skip
        answer = gate.get(f"{site}/{path}")
        foretold = json.loads(told)
        assert foretold["verdict"] == answer.headers["x-aegis-verdict"]
        assert foretold["rule"] == answer.headers["x-aegis-rule"]
        recorded = gate.aegis("why", answer.headers["x-aegis-action"], "--config", str(gate.config))
        assert foretold["rule"] in recorded


@pytest.mark.parametrize(
    "url",
    [
        "/relative",
        "*",
        "ftp://origin.test/x",
        "http://user:pw@origin.test/",
        "http://origin.test/a\\b",
        "http://origin.test/p/..%2fadmin",
        "http://origin.test:99999/",
        "http://origin..test:0/",
    ],
)
def test_an_address_nobody_may_guess_at_is_refused(gate, url):
    answer = gate.get(url)
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_a_host_header_of_another_host_changes_nothing(gate, origin, site):
    assert gate.get(f"{site}/x", headers={"host": "evil.test"}).status == 200
    assert last(origin)["headers"]["host"] == f"origin.test:{origin.port}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"n": 1e999}',
        b'{"n": 100000000000000000000000000000000}',
        b'{"n": "\\ud800"}',
        b'{"n": NaN}',
        b'{"n": 1, "n": 2}',
        b"[" * 5_000,
        b"{",
        b"\xef\xbb\xbf{}",
    ],
)
def test_odd_json_travels_as_it_is(gate, origin, site, body):
    first = gate.get(f"{site}/ask/{len(body)}")  # something is parked, and compared with
    assert first.status == 403
    answer = gate.ask("POST", f"{site}/x", body, {"content-type": "application/json"})
    assert answer.status == 200
    assert last(origin)["body"].encode("latin-1") == body


def test_a_client_that_closes_is_told_so(gate, site):
    answer = gate.get(site, headers={"connection": "close"})
    assert answer.headers["connection"] == "close"
    assert "connection" not in gate.get(site).headers


def test_an_injection_in_a_request_is_refused(gate, origin, site):
    before = len(origin.seen)
    for body, kind in (
        ({"deep": [{"a": ATTACK}]}, "application/json"),
        (ATTACK.encode(), "application/octet-stream"),
        (json.dumps({"a": ATTACK}).encode("utf-16"), "application/json; charset=utf-16"),
        (f'--B\r\n\r\n{ATTACK}\r\n--B\r\n\r\n\0\xff\r\n--B--'.encode("latin-1"),
         "multipart/form-data; boundary=B"),
    ):  # fmt: skip
        answer = gate.ask("POST", f"{site}/x", body, {"content-type": kind})
        assert (answer.status, answer.code) == (403, "guard_violation"), kind
    assert gate.get(f"{site}/x", headers={"x-note": ATTACK}).code == "guard_violation"
    assert len(origin.seen) == before


def test_a_secret_in_a_request_is_masked_before_it_leaves(gate, origin, site):
    assert gate.ask("POST", f"{site}/x", {"note": f"use {TOKEN} now", "n": 1}).status == 200
    sent = json.loads(last(origin)["body"])
    assert TOKEN not in sent["note"]
    assert sent["note"].startswith("use ")
    assert sent["n"] == 1
    assert gate.get(f"{site}/x?token={TOKEN}&b=2").status == 200
    assert TOKEN not in last(origin)["path"]
    assert last(origin)["path"].endswith("&b=2")


def test_credentials_of_the_client_pass_and_no_record_holds_them(gate, origin, site):
    headers = {"authorization": f"Bearer {TOKEN}", "cookie": "sid=abc"}
    assert gate.get(f"{site}/mine", headers=headers).status == 200
    assert last(origin)["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert last(origin)["headers"]["cookie"] == "sid=abc"
    assert TOKEN not in json.dumps(gate.records())


def test_records_hold_the_shape_of_an_exchange_and_none_of_its_words(gate, site):
    gate.ask("POST", f"{site}/shape?q=1", {"words": "nobody writes this down"})
    told = [one for one in gate.records() if "shape" in json.dumps(one)]
    decision = next(one for one in told if one["kind"] == "decision")
    assert decision["params"]["method"] == "POST"
    assert decision["params"]["body"]["bytes"] > 10
    assert len(decision["params"]["body"]["sha256"]) == 64
    assert "nobody writes" not in json.dumps(gate.records())
    outcome = next(
        one for one in gate.records("--kind", "outcome") if one["action"] == decision["action"]
    )
    assert outcome["result"]["status"] == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", ""])
def test_a_masked_answer_is_what_the_client_gets(gate, site, coding):
    answer = gate.get(f"{site}/leak?as={coding}")
    assert answer.status == 200
    assert TOKEN.encode() not in answer.body
    assert answer.json["name"] == "ann"
    assert answer.json["token"] != TOKEN
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["x-aegis-verdict"] == "sanitize"
    plain = gate.get(f"{site}/secret")
    assert TOKEN.encode() not in plain.body
    assert "etag" not in plain.headers


def test_an_unmasked_answer_keeps_its_coding(gate, site):
    answer = gate.get(f"{site}/bigtext?kib=2&gzip=1", headers={"accept-encoding": "br, gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body).startswith(b"a line of text")


def test_an_answer_with_an_injection_is_withheld(gate, site):
    answer = gate.get(f"{site}/attack")
    assert (answer.status, answer.code) == (403, "guard_violation")
    assert answer.json["error"]["aegis"]["stage"] == "output"


@pytest.mark.parametrize("page", ["bomb", "br"])
def test_an_answer_nobody_can_read_is_not_passed_on(gate, site, page):
    answer = gate.get(f"{site}/{page}")
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert "inspected" in answer.json["error"]["message"]


def test_a_bomb_or_an_unknown_coding_in_a_request_is_refused(gate, origin, site):
    before = len(origin.seen)
    bomb = gzip.compress(b"0" * (64 << 20))
    for body, coding in ((bomb, "gzip"), (b"x", "br"), (b"no gzip", "gzip"), (bomb[:99], "gzip")):
        answer = gate.ask("POST", f"{site}/x", body, {"content-encoding": coding})
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert len(origin.seen) == before


def test_headers_of_one_connection_end_here_and_cookies_stay_apart(gate, site):
    answer = gate.get(f"{site}/cookie")
    cookies = [value for name, value in answer.fields if name == "set-cookie"]
    assert cookies == ["a=1; Path=/", "b=2; Path=/"]
    assert "x-private" not in answer.headers
    verdicts = [value for name, value in answer.fields if name == "x-aegis-verdict"]
    assert verdicts == ["allow"]


def test_a_part_of_an_answer_is_answered_whole(gate, origin, site):
    gate.get(f"{site}/x", headers={"range": "bytes=0-3"})
    assert "range" not in last(origin)["headers"]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("TRACE", {}, 405),
        ("GET", {"upgrade": "websocket", "connection": "upgrade"}, 501),
        ("BREW", {}, 501),
    ],
)
def test_what_a_proxy_of_this_kind_does_not_do_is_said(gate, site, method, headers, status):
    assert gate.ask(method, f"{site}/x", headers=headers).status == status


def test_an_upgrade_nobody_needs_is_left_out(gate, origin, site):
    headers = {"upgrade": "h2c", "connection": "upgrade, http2-settings", "http2-settings": "AA"}
    assert gate.get(f"{site}/x", headers=headers).status == 200
    assert not {"upgrade", "http2-settings"} & set(last(origin)["headers"])


def test_a_loop_is_noticed(gate, site):
    via = gate.get(site).headers["via"]
    answer = gate.get(site, headers={"via": via})
    assert (answer.status, answer.code) == (508, "proxy_loop")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(fresh, site):
    gate = fresh(http={"body_bytes": 2048})
    answer = gate.ask("POST", f"{site}/x", b"x" * 4096)
    assert answer.status == 413
    assert "gates.http.body_bytes" in answer.json["error"]["message"]
