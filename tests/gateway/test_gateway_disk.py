"""A gateway whose disk is full: what clients are told, what the log says, and that it recovers."""

import resource
import time

import pytest

UNLIMITED = resource.RLIM_INFINITY


class Disk:
    """The disk of a process: full means that no file may hold a byte more."""

    def __init__(self, process):
        self.pid = process.pid

    def fill(self):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (1, UNLIMITED))

    def free(self):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


@pytest.fixture
def full(fresh):
    gateway = fresh()
    assert gateway.chat("offline").status == 200
    disk = Disk(gateway.process)
    disk.fill()
    return gateway, disk


def test_refusals_on_a_full_disk_name_no_path_and_it_recovers_once_there_is_space(full, tmp_path):
    gateway, disk = full
    replies = [gateway.chat("offline", stream=number % 2 == 0) for number in range(40)]
    action = {"action": {"type": "lookup"}}
    replies.append(gateway.request("POST", "/v1/aegis/actions", action))
    replies.append(gateway.request("POST", "/v1/aegis/agents", {"name": "Bot", "allow": ["x"]}))
    replies.append(gateway.request("POST", "/v1/aegis/agents/Bot/status", {"status": "paused"}))
    for reply in replies:
        body = reply.body.decode()
        assert str(tmp_path) not in body, body
        assert "ledger.db" not in body, body
        assert "state.db" not in body, body
    # the first stream may have begun before the disk was found to be full
    assert {reply.status for reply in replies[2:40]} == {503}
    assert replies[2].error["code"] == "governance_unavailable"
    assert "the ledger failed" in replies[2].error["message"]
    assert [reply.status for reply in replies[-2:]] == [503, 503]
    down = gateway.request("GET", "/health/readiness", key="")
    assert (down.status, down.json["parts"]["ledger"]) == (503, False)

    disk.free()
    deadline = time.monotonic() + 10
    while gateway.chat("offline").status != 200:
        assert time.monotonic() < deadline, "it never recovered"
        time.sleep(0.1)
    assert gateway.request("GET", "/health/readiness", key="").status == 200

    gateway.process.terminate()
    gateway.process.wait(15)
    log = gateway.process.stderr.read().decode()
    assert "Traceback" not in log
    assert str(tmp_path) in log
    assert len(log.splitlines()) < 20, log


def test_readiness_alone_notices_that_there_is_space_again(full):
    gateway, disk = full
    gateway.chat("offline")
    disk.free()
    deadline = time.monotonic() + 10
    while gateway.request("GET", "/health/readiness", key="").status != 200:
        assert time.monotonic() < deadline, "it never recovered"
        time.sleep(0.1)


def test_what_was_lost_is_said_at_the_end_without_a_traceback(full):
    gateway, _ = full
    gateway.chat("offline")
    gateway.process.terminate()
    gateway.process.wait(15)
    log = gateway.process.stderr.read().decode()
    assert "Traceback" not in log, log
    assert "ledger" in log
