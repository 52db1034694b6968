"""The stand-alone verifier as people run it."""

import ast
import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aegis.ledger.checkpoint import Identity, Signer
from aegis.ledger.verify import main, read_key

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "aegis_verify.py"


@pytest.fixture
def bundle(memory, tmp_path):
    memory.fill(5)
    path = tmp_path / "bundle.aegis"
    path.write_bytes(memory.bundle())
    return path


def run(*arguments):
    # an isolated interpreter: no path to this repository, no PYTHONPATH
    command = [sys.executable, "-I", str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")


def test_it_is_made_from_the_modules():
    command = [sys.executable, str(ROOT / "tools" / "make_verifier.py"), "--check"]
    assert subprocess.run(command, timeout=60).returncode == 0


def test_it_needs_nothing_but_cryptography():
    tree = ast.parse(TOOL.read_text(), feature_version=(3, 9))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert "cryptography" in imported
    assert imported - {"cryptography"} <= set(sys.stdlib_module_names)


def test_exit_codes(bundle, memory):
    key = memory.signer.identity
    done = run(bundle, "--key", key)
    assert done.returncode == 0, done.stderr
    assert "verified: 5 records" in done.stdout
    assert "WARNING" in run(bundle).stdout
    bundle.write_bytes(bundle.read_bytes().replace(b"allow", b"block", 1))
    done = run(bundle, "--fingerprint", key.fingerprint)
    assert done.returncode == 1
    assert done.stdout.startswith("hash-mismatch: record 0:")
    assert run().returncode == 2


def test_options(bundle, memory, tmp_path, capsys):
    key = memory.signer.identity
    note = tmp_path / "note"
    note.write_text(memory.journal.checkpoint())
    public = tmp_path / "ledger.pub"
    public.write_text(f"{key}\n")
    assert main([str(bundle), "--key", str(public), "--checkpoint", str(note), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"]
    assert said["pinned"]
    assert said["fingerprint"] == key.fingerprint
    assert main([str(bundle), "--fingerprint", "sha256:00", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"][0]["code"] == "wrong-key"
    assert main([str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main([str(bundle), "--key", "nonsense"]) == 2
    assert "not a key" in capsys.readouterr().err


@pytest.mark.parametrize("number", range(40))
def test_keys_as_people_write_them(number):
    # many keys: the base64 of some holds plus signs, as verifier keys do
    seed = number.to_bytes(32, "big")
    key = Signer(Ed25519PrivateKey.from_private_bytes(seed)).identity
    bare = base64.b64encode(key.public).decode()
    for text in (str(key), key.public.hex(), str(key).split("+", 2)[2], bare):
        assert read_key(text) == key.public
        assert Identity.parse(str(key)).public == key.public


@pytest.mark.parametrize("text", ["", "xyz", "z" * 64, "a+b+c", "a+b", "!" * 44, "A" * 40])
def test_what_is_no_key(text):
    with pytest.raises(ValueError, match="not a key"):
        read_key(text)
