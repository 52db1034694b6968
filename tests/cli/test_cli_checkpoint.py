"""evidence checkpoint, and verify --checkpoint with what it printed."""

import shutil

import pytest

from aegis.kernel import config
from aegis.kernel.build import open_runtime
from aegis.ledger.checkpoint import Checkpoint
from aegis.ledger.keys import load_signer


@pytest.fixture
def begun(aegis):
    """A ledger of one record."""
    aegis("keys", "create", "--name", "first")


def test_checkpoints_kept_elsewhere_convict_what_came_before_them(aegis, folder, begun):
    aegis("evidence", "export", "--out", "early.txt")
    runtime = open_runtime(config.load(env={}, cwd=folder))
    aegis("keys", "create", "--name", "beside")
    runtime.close()
    home = folder / ".aegis"
    shutil.copytree(home, folder / "old")
    (folder / "kept.txt").write_text(aegis("evidence", "checkpoint").out)
    assert (folder / "kept.txt").read_text().count("aegis/") == 4  # two lanes, signed
    aegis("keys", "create", "--name", "later")
    aegis("evidence", "export", "--out", "late.txt")
    for evidence in (["late.txt"], [".aegis/ledger.db"], []):
        assert "verified" in aegis("verify", *evidence, "--checkpoint", "kept.txt").out
    # an export of before lacks a lane, and a ledger put back from before lacks records
    told = aegis("verify", "early.txt", "--checkpoint", "kept.txt", code=1).out
    assert "lane-missing: a kept checkpoint is of lane" in told
    (folder / "kept.txt").write_text(aegis("evidence", "checkpoint").out)
    shutil.rmtree(home)
    shutil.move(folder / "old", home)
    told = aegis("verify", "--checkpoint", "kept.txt", code=1).out
    assert "tail-truncated" in told
    aegis("verify")


def test_a_checkpoint_of_another_ledger_is_refused_everywhere(aegis, folder, begun):
    aegis("evidence", "export", "--out", "e.txt")
    note = aegis("evidence", "checkpoint").out
    origin = note.partition("\n")[0]
    for text, fault in (
        (note.replace(origin, "aegis/00000000"), "lane-missing"),
        (note.replace("\n1\n", "\n2\n"), "bad-signature"),
    ):
        (folder / "n").write_text(text)
        for evidence in ("e.txt", ".aegis/ledger.db"):
            assert fault in aegis("verify", evidence, "--checkpoint", "n", code=1).out
    for text in ("", "nonsense", note + "more", note * 400):
        (folder / "n").write_text(text)
        said = aegis("verify", "e.txt", "--checkpoint", "n", code=2).err
        assert "`n` holds no checkpoints" in said


@pytest.mark.parametrize("size", [1, 2])
def test_another_history_is_refused_though_the_same_key_signed_it(aegis, folder, begun, size):
    aegis("keys", "create", "--name", "second")
    aegis("evidence", "export", "--out", "e.txt")
    signer = load_signer(folder / ".aegis")
    told_before = Checkpoint(signer.identity.name, size, b"r" * 32)
    (folder / "n").write_text(signer.sign(told_before.text))
    for evidence in ("e.txt", ".aegis/ledger.db"):
        assert "rehashed" in aegis("verify", evidence, "--checkpoint", "n", code=1).out


def test_there_is_no_checkpoint_before_there_is_a_ledger(aegis, folder):
    aegis("init")
    assert "no ledger" in aegis("evidence", "checkpoint", code=2).err
