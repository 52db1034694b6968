"""Plugins of this repository, built as wheels and installed the way users install them."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Builds a plugin's wheel and unpacks it into a folder for PYTHONPATH; without a network."""

    def install(name):
        built = tmp_path_factory.mktemp("wheel")
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)],
            cwd=PLUGINS / name,
            check=True,
            capture_output=True,
            timeout=60,
        )
        (wheel,) = built.glob("*.whl")
        target = tmp_path_factory.mktemp("site")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
        return target

    return install


@pytest.fixture
def plugin(monkeypatch):
    """Makes the sources of a plugin importable."""

    def use(name):
        monkeypatch.syspath_prepend(str(PLUGINS / name / "src"))

    return use


@pytest.fixture
def asked(installed, tmp_path):
    """Installs a plugin and asks a verb of `aegis` what a configuration makes of it."""

    def ask(verb, distribution, name, options):
        config = tmp_path / "aegis.yaml"
        config.write_text(json.dumps({"guardrails": {name: {"options": options}}}))
        return subprocess.run(
            [sys.executable, "-c", "from aegis.cli.main import main; main()", *verb, str(config)],
            env={**os.environ, "PYTHONPATH": str(installed(distribution))},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return ask


@pytest.fixture
def enforced(asked):
    """What `aegis doctor` says about a guard."""

    def ask(distribution, name, **options):
        done = asked(("doctor", "--json", "--config"), distribution, name, options)
        checks = json.loads(done.stdout)
        return [one["detail"] for one in checks if name in one["area"] + one["detail"]]

    return ask


@pytest.fixture
def validated(asked):
    """What `aegis validate` says about the options of a guard, line by line."""

    def ask(distribution, name, **options):
        return asked(("validate",), distribution, name, options).stderr.splitlines()

    return ask
