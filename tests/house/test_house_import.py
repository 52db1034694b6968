"""`import aegis` is cheap, and pulls in nothing that belongs to a server or a terminal."""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MILLISECONDS_MAX = 60
"""The budget over a bare interpreter, as in bench/budget.toml."""

NOISE = 2.5
"""A test runs beside others on a shared machine, where a start-up takes up to twice its time.
The exact budget is asserted by the bench."""

ROUNDS = 7

FOREIGN = (
    "uvicorn",
    "httptools",
    "uvloop",
    "prometheus_client",
    "cyclopts",
    "rich",
    "httpx2",
    "numpy",
    "pydantic",
    "openai",
    "sqlite3",
    "asyncio",
)


def milliseconds(program: str) -> float:
    """CPU time of an interpreter that runs it: others on the machine cost it less than waiting."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=environment())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def environment() -> dict[str, str]:
    """Without the hooks that coverage and the like put into every interpreter."""
    return {key: value for key, value in os.environ.items() if not key.startswith("COV")}


def test_import_stays_inside_its_budget():
    milliseconds("import aegis")  # compiles the bytecode once
    added = [milliseconds("import aegis") - milliseconds("pass") for _ in range(ROUNDS)]
    assert statistics.median(added) <= MILLISECONDS_MAX * NOISE, added


def loaded(program: str) -> set[str]:
    program += "; import sys; print(*{name.split('.')[0] for name in sys.modules})"
    return set(
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env=environment(),
        ).stdout.split()
    )


def test_import_loads_no_server_module():
    assert not loaded("import aegis") & set(FOREIGN)


def test_every_public_name_can_be_loaded_and_no_other_is_offered():
    program = (
        "import aegis; assert list(aegis.__all__) == sorted(set(aegis.__all__)), aegis.__all__;"
        "[getattr(aegis, name) for name in aegis.__all__];"
        "assert set(aegis.__all__) <= set(dir(aegis)), set(aegis.__all__) - set(dir(aegis));"
        "assert not hasattr(aegis, 'no_such_name')"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment())
