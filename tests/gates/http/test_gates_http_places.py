"""Where requests may not go: addresses inside, however spelt, resolved or redirected to."""

import json
import time

import pytest


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2",
        "127.1.1.1",
        "0x7f.2",
        "2130706434",
        "017700000002",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:a00:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "inside.test",
        "mixed.test",
        "six.test",
    ],
)
def test_addresses_inside_are_not_reached(gate, host):
    answer = gate.get(f"http://{host}/latest/meta-data/")
    assert (answer.status, answer.code) == (403, "gate_refused")
    assert "gates.http.private" in answer.json["error"]["message"]


def test_a_network_that_is_listed_is_reached(gate, origin):
    assert gate.get(f"http://127.0.0.1:{origin.port}/").status == 200
    assert gate.get(f"http://[::ffff:127.0.0.1]:{origin.port}/").status == 200


def test_a_refused_place_is_on_record(gate):
    answer = gate.get("http://inside.test/on-record")
    action = answer.headers["x-aegis-action"]
    outcome = next(one for one in gate.records("--kind", "outcome") if one["action"] == action)
    assert outcome["status"] == "failed"
    assert "inside.test" in outcome["error"]


def test_a_name_that_changes_its_mind_leads_nowhere_else(fresh, origin):
    gate = fresh()
    url = f"http://rebinding.test:{origin.port}/"
    assert gate.get(url).status == 200
    # the first answer is remembered for some seconds, then the second one is looked at
    deadline = time.monotonic() + 20
    while (answer := gate.get(url)).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.25)
    assert (answer.status, answer.code) == (403, "gate_refused")


def test_a_blocked_name_is_not_even_asked_for(gate):
    assert gate.get("http://evil.test/x").status == 403
    assert gate.get("http://nowhere.test/x").status == 502
    assert gate.get("http://inside.test/x").status == 403
    asked = json.loads(gate.names.with_suffix(".asked").read_text())
    assert "inside.test" in asked
    assert "evil.test" not in asked


@pytest.mark.parametrize(
    "to",
    ["http://169.254.169.254/latest", "//10.0.0.1/", "http://inside.test/", "http://0x0a000001/"],
)
def test_a_redirect_inside_is_kept_back(gate, site, to):
    answer = gate.get(f"{site}/redirect?to={to}")
    assert (answer.status, answer.code) == (403, "gate_refused")
    assert "redirects" in answer.json["error"]["message"]
    assert "location" not in answer.headers


def test_other_redirects_are_the_clients_to_follow_and_judged_anew(gate, site):
    answer = gate.get(f"{site}/redirect?to=/admin/x")
    assert (answer.status, answer.headers["location"]) == (302, "/admin/x")
    assert gate.get(f"{site}/admin/x").status == 403


def test_ports_of_tunnels_are_listed(gate):
    answer = gate.ask("CONNECT", "origin.test:22")
    assert (answer.status, answer.code) == (403, "gate_refused")
    assert "gates.http.tunnel_ports" in answer.json["error"]["message"]


def test_tunnels_go_nowhere_inside(gate, secure):
    for host in ("inside.test", "127.0.0.2", "[::1]", "169.254.169.254"):
        assert gate.ask("CONNECT", f"{host}:{secure.port}").code == "gate_refused"


@pytest.mark.parametrize("private", ["10.0.0.0/33", "host"])
def test_a_network_that_is_none_is_a_problem_of_the_configuration(fresh, private):
    with pytest.raises(RuntimeError, match=r"gates\.http\.private"):
        fresh(http={"private": [private]})
