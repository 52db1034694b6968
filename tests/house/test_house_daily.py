"""The commands of daily life: make targets, the CI script, changelog fragments."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)

KINDS = ("added", "changed", "fixed", "removed", "security")


def test_make_help_lists_every_target():
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert TARGETS
    for target in TARGETS:
        assert re.search(rf"^make {target} +\S", listed, re.MULTILINE), target


def test_the_contributing_page_names_every_target():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert [target for target in TARGETS if f"`make {target}`" not in page] == []


@pytest.mark.parametrize("script", [".ci/run", "tools/setup.sh", "tools/run.sh"])
def test_the_scripts_are_well_formed(script):
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


PYTHON = """#!/usr/bin/env bash
if [ "$1 $2 $3" = "-m pip install" ]; then
  echo "$*" >>"$(dirname "$0")/../pip.log"
  [ ! -e "$(dirname "$0")/../broken" ] || { echo "no route to the index"; exit 1; }
  exit 0
fi
exec python3 "$@"
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose environment notes what it would install."""
    (tmp_path / "tools").mkdir()
    for name in ("tools/setup.sh", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text(PYTHON.replace("exec python3", f"exec {sys.executable}"))
    python.chmod(0o755)
    return tmp_path


def setup(root):
    return subprocess.run(
        ["bash", "tools/setup.sh"], cwd=root, capture_output=True, text=True, check=False
    )


def test_setup_installs_with_hashes_once_and_again_when_the_lock_changes(checkout):
    log = checkout / ".venv/pip.log"
    assert setup(checkout).returncode == 0
    locked, own = log.read_text().splitlines()
    assert "--require-hashes -r requirements.lock" in locked
    assert "--no-deps --no-build-isolation --editable ." in own
    again = setup(checkout)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(log.read_text().splitlines()) == 2
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert setup(checkout).returncode == 0
    assert len(log.read_text().splitlines()) == 4


def test_setup_that_fails_shows_why_and_is_tried_again(checkout):
    (checkout / ".venv/broken").touch()
    done = setup(checkout)
    assert done.returncode == 1
    assert "no route to the index" in done.stderr
    assert "run make setup again" in done.stderr
    (checkout / ".venv/broken").unlink()
    assert setup(checkout).returncode == 0


def test_setup_says_what_to_do_where_there_is_no_python(tmp_path):
    (tmp_path / "tools").mkdir()
    for name in ("tools/setup.sh", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["bash", "tools/setup.sh"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"},
    )
    assert done.returncode == 1
    assert "no Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_changelog_fragments_are_named_and_worded():
    for path in (ROOT / "changes").iterdir():
        if path.name == "README.md":
            continue
        slug, _, kind = path.stem.rpartition(".")
        assert slug, f"{path.name}: SLUG.KIND.md"
        assert (kind in KINDS, path.suffix) == (True, ".md"), f"{path.name}: SLUG.KIND.md"
        text = path.read_text().strip()
        assert text.endswith("."), f"{path.name}: one or two whole sentences"
        assert len(text) <= 600, f"{path.name}: shorter; the page of the feature says the rest"


def test_the_lock_covers_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["server"],
        *project["dependency-groups"]["dev"],
    ]
    lock = (ROOT / "requirements.lock").read_text().lower()
    for requirement in wanted:
        name = re.match(r"[A-Za-z0-9._-]+", requirement).group().lower()
        name = re.sub(r"[._-]+", "-", name)  # PEP 503
        assert re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE), f"{name}: run make lock"
    assert "--hash=sha256:" in lock
    assert "://" not in lock, "the lock names no index: make lock leaves it out"
