"""The floors hold: imports point down only, and the pure floors stay pure."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/aegis"


def test_import_contracts_are_kept():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def calls_of(name: str) -> set[str]:
    """The modules that call a function or method of this name."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func
                if name == getattr(called, "attr", getattr(called, "id", "")):
                    found.add(path.relative_to(SOURCE).as_posix())
    return found


def importers_of(name: str) -> set[str]:
    """The modules outside `aegis.flow` that import a name, or a module, of the flow."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        where = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not where.startswith("flow/"):
                module = f".{node.module or ''}"
                names = {alias.name for alias in node.names}
                if module.endswith(f".flow.{name}") or (module.endswith(".flow") and name in names):
                    found.add(where)
    return found


def test_only_the_runtime_starts_a_flow():
    starters = importers_of("run")
    assert starters
    assert {path.split("/")[0] for path in starters} == {"kernel"}, starters


def test_the_drivers_are_called_by_the_kernel_alone():
    for driver in ("drive_sync", "drive_async"):
        assert {path.split("/")[0] for path in calls_of(driver)} <= {"kernel"}


def test_the_ledger_verifier_needs_nothing_but_cryptography():
    tree = ast.parse((SOURCE / "ledger/verify.py").read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("." if node.level else (node.module or "").split(".")[0])
    own = imported - set(sys.stdlib_module_names) - {"cryptography", "__future__"}
    assert own <= {"."}, own
