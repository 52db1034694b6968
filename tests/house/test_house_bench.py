"""The benches are run by hand; what they import has to be there all the same."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_every_bench_can_be_imported():
    names = sorted(path.stem for path in BENCH.glob("*.py"))
    assert "gateway" in names
    program = f"import importlib\nfor name in {names}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=BENCH, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
