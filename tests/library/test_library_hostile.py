"""Arguments nobody can inspect, names nobody can see, agents nobody knows."""

import logging

import pytest

import aegis
from aegis import ActionError


def cyclic():
    inner = {}
    inner["self"] = inner
    return inner


def nested():
    value = []
    for _ in range(5_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [cyclic, nested])
def test_an_argument_without_an_end_is_refused(home, make):
    seen = []

    @aegis.monitor
    def read_it(value, *rest, **more):
        seen.append(value)

    (tool,) = aegis.wrap_tools([lambda value: seen.append(value)])
    with aegis.agent_context("Bot"):
        for call in (
            lambda: read_it(make()),
            lambda: read_it(1, make()),
            lambda: read_it(1, other=make()),
            lambda: read_it([make()]),
            lambda: tool(make()),
        ):
            with pytest.raises(ActionError, match="nested"):
                call()
    assert seen == []


def test_switching_off_an_agent_nobody_knows_is_done_and_logged(home, caplog):
    aegis.init(config={"policy": {"defaults": {"approval": "auto"}, "rules": []}})
    aegis.register_agent("SupportBot", allows=["read_*"])
    with caplog.at_level(logging.WARNING, "aegis"):
        aegis.kill_agent("SupportBot")
        assert not caplog.records
        aegis.kill_agent("SuportBot")
    assert "SuportBot" in caplog.text
    assert "`SupportBot`" in caplog.text

    @aegis.monitor
    def read_it():
        return 1

    with aegis.agent_context("SuportBot"), pytest.raises(aegis.KillSwitchError, match="revive"):
        read_it()
