"""Starting, health, metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import ConfigError
from aegis.surfaces.gateway.errors import REFUSALS
from aegis.surfaces.gateway.serve import make_server

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "gateway.md"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_without_keys_only_this_machine_is_served(tmp_path, host):
    server = {"require_key": False, "host": host or "0.0.0.0"}
    runtime = open_runtime(
        parse({"home": str(tmp_path), "guardrails": {}, "server": server}), memory=True
    )
    try:
        with pytest.raises(ConfigError, match="reached from other machines"):
            make_server(runtime, host)
    finally:
        runtime.close()


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ({"require_key": False}, "127.0.0.1"),
        ({"require_key": False}, "localhost"),
        ({"require_key": False}, "::1"),
        ({"require_key": False, "allow_unauthenticated": True}, "0.0.0.0"),
        ({}, "0.0.0.0"),
    ],
)
def test_what_may_be_served(tmp_path, server, host):
    runtime = open_runtime(
        parse({"home": str(tmp_path), "guardrails": {}, "server": server}), memory=True
    )
    try:
        assert make_server(runtime, host).config.host == host
    finally:
        runtime.close()


def test_without_keys_on_loopback_anybody_there_may_ask(fresh):
    gateway = fresh(keys=(), server={"port": 0, "require_key": False})
    assert gateway.chat("offline", key=None).status == 200
    assert gateway.chat("offline", key="sk-other").status == 200
    assert gateway.chat("offline", key="sk-aegis-revoked").status == 401


def test_an_address_in_use_is_a_clear_error(gateway, fresh):
    with pytest.raises(RuntimeError, match="in use"):
        fresh(server={"port": gateway.port})


def test_health(gateway):
    for path in ("/health", "/health/liveness", "/health/liveliness"):
        reply = gateway.request("GET", path, key=None)
        assert (reply.status, reply.json) == (200, {"status": "ok"})
    reply = gateway.request("GET", "/health/readiness", key=None)
    assert reply.status == 200
    assert reply.json["parts"]["ledger"] is True


def test_models_are_those_a_key_may_use(gateway):
    listed = gateway.request("GET", "/v1/models", key="narrow").json
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["offline", "offline-tools"]
    assert gateway.request("GET", "/v1/models/offline").json["owned_by"] == "offline"
    assert gateway.request("GET", "/v1/models/none").status == 404


def test_what_a_glob_covers_is_served_and_not_listed(fresh, upstream):
    up = {"type": "openai_compatible", "base_url": upstream.url, "models": ["named", "*"]}
    gateway = fresh(providers={"up": up})
    listed = gateway.request("GET", "/v1/models").json["data"]
    assert [(model["id"], model["owned_by"]) for model in listed] == [("named", "up")]
    missing = gateway.request("GET", "/v1/models/other")
    assert missing.status == 404
    assert "served without being listed" in missing.json["error"]["message"]
    assert gateway.chat("other").status == 200


def test_metrics_are_well_formed_and_count(fresh):
    gateway = fresh()
    gateway.chat("offline")
    gateway.chat("forbidden")
    gateway.chat("429")
    gateway.request("GET", "/nowhere/" + "x" * 50)
    reply = gateway.request("GET", "/metrics", key=None)
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(reply.body.decode())}
    assert all(family.documentation for family in families.values())
    found = {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for family in families.values()
        for sample in family.samples
    }

    def value(name, **labels):
        return found[(name, json.dumps(labels, sort_keys=True))]

    route = "/v1/chat/completions"
    assert value("aegis_requests_total", route=route, status="200") == 1
    assert value("aegis_requests_total", route=route, status="403") == 1
    assert value("aegis_requests_total", route=route, status="429") == 1
    assert value("aegis_requests_total", route="none", status="404") == 1
    assert value("aegis_actions_total", protocol="llm", verdict="block") == 1
    assert value("aegis_request_duration_seconds_count", route=route) == 3
    assert value("aegis_overhead_seconds_count") == 2
    assert value("aegis_tokens_total", type="input") > 0
    assert value("aegis_ledger_records") >= 5
    assert value("aegis_ready", part="ledger") == 1


def test_the_page_names_every_route_code_and_metric(tmp_path, gateway):
    page = PAGE.read_text()
    runtime = open_runtime(parse({"home": str(tmp_path), "guardrails": {}}), memory=True)
    app = make_server(runtime).config.app
    tables = (app.routes, app.open_routes, app.prefixes, app.open_prefixes)
    served = {
        f"{method} {path}"
        for table in tables
        for method, path in table
        if not path.startswith("/v1/aegis/")  # the remote API of the library has its own page
    }
    runtime.close()
    assert set(re.findall(r"^\| `((?:GET|POST) \S+)`", page, re.MULTILINE)) == served
    source = Path(make_server.__code__.co_filename).parent
    codes = {code for _, code in REFUSALS.values()}
    for file in set(source.glob("*.py")) - {source / "remote.py", source / "actions.py"}:
        codes |= set(re.findall(r'^ +"([a-z]+(?:_[a-z]+)+)",$', file.read_text(), re.MULTILINE))
    names = set(
        re.findall(r"^# TYPE (\S+)", gateway.request("GET", "/metrics").body.decode(), re.M)
    )
    documented = set(re.findall(r"`([a-z_]+)`", page))
    fields = {"max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty"}
    fields |= {"top_p", "reasoning_effort", "upstream_seconds", "keep_alive"}
    assert codes - fields <= documented, codes - fields - documented
    assert names <= documented, names - documented
