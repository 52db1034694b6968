"""Reloading: what changed is put in force, what is broken is not, what needs a restart is said."""

import os
import time

import pytest

from aegis.kernel import config
from aegis.kernel.reload import Watch, kept


class World:
    """A configuration file under watch, and what became of it."""

    def __init__(self, folder, **more):
        self.file = folder / "aegis.yaml"
        self.policy = folder / "p.yaml"
        self.policy.write_text("rules: []")
        self.write("policy: { path: p.yaml }")
        self.applied = []
        self.said = []
        self.watch = Watch(
            self.load(),
            self.load,
            self.applied.append,
            lambda message, problem: self.said.append((problem, message)),
            **more,
        )

    def load(self):
        return config.load(self.file, {})

    def write(self, text, file=None):
        file = file or self.file
        before = file.stat().st_mtime_ns if file.exists() else 0
        file.write_text(text)
        # a change within the clock's granularity still is one
        os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_nothing_changed_nothing_done(world):
    assert not world.watch.check()
    assert world.applied == []


def test_a_changed_file_is_applied_once(world):
    world.write("policy: { path: p.yaml }\nenvironment: new")
    assert world.watch.check()
    assert world.applied[-1].settings.environment == "new"
    assert not world.watch.check()
    assert world.said[-1][0] is False


def test_a_changed_policy_file_counts_too(world):
    before = world.watch.loaded.policy.version
    world.write("rules: [{ name: r, match: { type: a } }]", world.policy)
    assert world.watch.check()
    assert world.applied[-1].policy.version != before


def test_a_broken_file_keeps_the_old_one_and_is_said_once(world):
    world.write("servr: 1")
    assert not world.watch.check()
    assert not world.watch.check()
    assert world.applied == []
    ((problem, message),) = world.said
    assert problem
    assert "unknown key `servr`" in message
    world.write("environment: mended")
    assert world.watch.check()
    assert world.applied[-1].settings.environment == "mended"


def test_what_does_not_build_keeps_the_old_one(world):
    from aegis.model import PluginError

    def refuse(_):
        raise PluginError("does not build")

    world.watch._apply = refuse
    world.write("environment: new")
    old = world.watch.loaded
    assert not world.watch.check()
    assert world.watch.loaded is old
    assert "does not build" in world.said[-1][1]


def test_a_file_that_is_just_being_replaced_is_waited_for(world):
    world.file.unlink()
    assert not world.watch.check()
    assert world.said == []
    world.write("environment: replaced")
    assert world.watch.check()


def test_an_emptied_file_is_one_that_is_being_written(world):
    world.write("# the rest is on its way\n")
    assert not world.watch.check()
    assert world.said[-1][0]
    assert "holds nothing" in world.said[-1][1]


def test_no_other_file_takes_the_place_of_one_that_is_gone(tmp_path):
    (tmp_path / "aegis.yaml").write_text("environment: above")
    (tmp_path / "below").mkdir()
    world = World(tmp_path / "below")
    world.load = lambda: config.load(env={}, cwd=world.file.parent)
    world.watch = Watch(world.load(), world.load, world.applied.append, lambda *_: None)
    world.file.unlink()
    assert not world.watch.check(force=True)
    world.write("environment: back")
    assert world.watch.check(force=True)
    assert [loaded.settings.environment for loaded in world.applied] == ["back"]


def test_what_needs_a_restart_keeps_its_value_and_is_named(world):
    world.write("server: { port: 1, host: '::1' }\nlimits: { body_bytes: 2048 }\nhome: elsewhere")
    assert world.watch.check()
    settings = world.applied[-1].settings
    assert settings.server.port == 8080
    assert settings.limits.body_bytes == 2048
    assert settings.home.endswith(".aegis")
    said = world.said[-1][1]
    for name in ("home", "server.host", "server.port"):
        assert name in said
    assert "limits.body_bytes" not in said


def test_kept_names_only_what_differs():
    old = config.parse("", "x").settings
    assert kept(old, old) == (old, [])


def test_a_poke_loads_even_what_looks_unchanged(tmp_path):
    world = World(tmp_path, polls=False)
    world.watch.start()
    try:
        world.watch.poke()
        deadline = time.monotonic() + 10
        while not world.applied and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        world.watch.close()
    assert len(world.applied) == 1


def test_polling_notices_by_itself(tmp_path):
    world = World(tmp_path, poll_seconds=0.02)
    world.watch.start()
    try:
        world.write("environment: seen")
        deadline = time.monotonic() + 10
        while not world.applied and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        world.watch.close()
    assert world.applied[-1].settings.environment == "seen"
