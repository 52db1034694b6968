"""Several gateways on one home: each request is shown once, by whichever of them is alive."""

from __future__ import annotations

import time

import pytest

SECRET = "whsec_" + "A" * 32


@pytest.fixture
def service(services):
    made = services.Service({"/first": (200, {}), "/late": (200, {})})
    yield made
    made.close()


def approvals(service, **more):
    return {
        "wait_seconds": 0.1,
        "channels": {
            "first": {"type": "webhook", "url": f"{service.url}/first", "secret": SECRET},
            "late": {"type": "webhook", "url": f"{service.url}/late", "secret": SECRET},
        },
        "escalate_seconds": 3600,
        "escalate_to": ["late"],
        **more,
    }


def held(gateway, content, key="plain"):
    return gateway.chat("reviewed", content, key=key).error["aegis"]["approval"]


def about(service, id, path, kind):
    """How often a channel was sent something about a request."""
    return sum(
        got.path == path and id in got.body.decode() and kind in got.body.decode()
        for got in service.received
    )


def eventually(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


def test_each_request_is_shown_once_and_an_answer_in_the_other_process_too(fresh, service):
    first = fresh(approvals=approvals(service))
    second = fresh(approvals=approvals(service), keys=({"name": "b", "roles": ["approver"]},))
    ids = [held(first, f"n{i}") for i in range(6)]
    eventually(lambda: all(about(service, id, "/first", "requested") for id in ids))
    for id in ids:
        second.request("POST", f"/v1/approvals/{id}", {"answer": "deny"}, key="b")
    eventually(lambda: all(about(service, id, "/first", "decided") for id in ids))
    time.sleep(0.5)  # time for a second delivery, which must not come
    for id in ids:
        assert about(service, id, "/first", "requested") == 1
        assert about(service, id, "/first", "decided") == 1
        assert about(service, id, "/late", "") == 0


def test_a_request_is_shown_by_the_next_gateway_where_the_first_was_killed(fresh, service):
    service.failing = True
    first = fresh(approvals=approvals(service))
    id = held(first, "soon dead")
    eventually(lambda: about(service, id, "/first", "requested"))
    first.kill()
    service.failing = False
    tried = about(service, id, "/first", "requested")
    fresh(approvals=approvals(service), keys=())
    eventually(lambda: about(service, id, "/first", "requested") > tried, 70)


def test_where_nobody_answers_others_are_told_and_then_it_expires(fresh, service):
    slow = approvals(service, escalate_seconds=0.7, ttl_seconds=2.5)
    gateway = fresh(approvals=slow)
    quick, id = held(gateway, "answered"), held(gateway, "not answered")
    gateway.request("POST", f"/v1/approvals/{quick}", {"answer": "deny"}, key="boss")
    assert about(service, id, "/late", "requested") == 0
    eventually(lambda: about(service, id, "/late", "requested"))
    for path in ("/first", "/late"):
        eventually(lambda path=path: about(service, id, path, "expired"))
    assert about(service, quick, "/late", "") == 0
