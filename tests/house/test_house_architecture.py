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


def reads_types(call: ast.Call) -> bool:
    """Whether a call reads a value as a type that it may be the first to prepare."""
    name = ast.unparse(call.func)
    typed = any(keyword.arg == "type" for keyword in call.keywords)
    return name == "msgspec.convert" or (name == "msgspec.json.decode" and typed)


def test_types_of_values_from_outside_are_prepared_with_their_module():
    """Two threads that prepare a type at once crash msgspec 0.22 (`model/prepared.py`). A verb of
    the command line has one thread; `kernel/options.py` holds a lock, and `plugin/options.py`
    prepares while modules are loaded.
    """
    spared = ("cli/", "kernel/options.py", "model/prepared.py", "plugin/options.py")
    wrong = []
    files = [*SOURCE.rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    for path in files:
        tree = ast.parse(path.read_text())
        where = path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT).as_posix()
        # the SQL gate has prepared statements of its own
        ours = any(
            isinstance(node, ast.ImportFrom)
            and (node.module or "").endswith("model")
            and "Prepared" in {alias.name for alias in node.names}
            for node in ast.walk(tree)
        )
        kinds = ("msgspec.json.Decoder", "Prepared" if ours else "")
        late = {
            node
            for part in ast.walk(tree)
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(part)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or where.startswith(spared):
                continue
            made = ast.unparse(node.func) in kinds
            if reads_types(node) or (made and node in late):
                wrong.append(f"{where}:{node.lineno}")
    assert wrong == []
