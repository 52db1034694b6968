"""The rules of the repository hold, and each of them would notice a breach."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIDY = ROOT / "tools/tidy.py"


def tidy(root: Path) -> list[str]:
    """The complaints about the repository at `root`, found by its own copy of the tool."""
    done = subprocess.run(
        [sys.executable, "tools/tidy.py"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    assert done.returncode == bool(lines)
    return lines


@pytest.fixture
def little(tmp_path):
    """A small clean repository with a copy of the tool."""
    for source in sorted(ROOT.glob("tools/tidy*.py")):
        write(tmp_path, f"tools/{source.name}", source.read_text())
    write(tmp_path, "tools/tidy.toml", "")
    write(tmp_path, "pyproject.toml", '[project.scripts]\naegis = "aegis.cli:main"\n')
    write(tmp_path, "src/aegis/__init__.py", '"""Package."""\n')
    write(tmp_path, "src/aegis/cli/__init__.py", '"""Commands."""\n')
    write(tmp_path, "README.md", "# Aegis\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert tidy(tmp_path) == []
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_repository_keeps_its_rules():
    assert tidy(ROOT) == []


MODULE = '"""Module."""\n'
LONG_FUNCTION = MODULE + "def f() -> None:\n" + "    print()\n" * 70

BREACHES = [
    ("src/aegis/cli/__init__.py", MODULE + "x = 1\n" * 400, "length in lines is 401"),
    ("src/aegis/cli/__init__.py", LONG_FUNCTION, "`f` in lines is 71"),
    ("src/aegis/__init__.py", MODULE + "def f(a, b, c, d, e, f, g): ...\n", "in parameters is 7"),
    (
        "src/aegis/__init__.py",
        MODULE + "class C:\n    def f(self, a, b, c, d, *, e, f, g): ...\n",
        "`C.f` in parameters is 7",
    ),
    ("src/aegis/utils.py", MODULE, "says nothing"),
    ("tools/common/x.py", MODULE, "says nothing"),
    ("tools/x.py", "# TODO: later\n", "left for later"),
    ("tools/x.py", "x = 1  # pragma: no cover\n", "waived from coverage"),
    ("src/aegis/__init__.py", MODULE + "try: f()\nexcept Exception: pass\n", "catches everything"),
    ("src/aegis/__init__.py", MODULE + "try: f()\nexcept: pass\n", "catches everything"),
    (
        "src/aegis/__init__.py",
        MODULE + "try: f()\nexcept (OSError, BaseException): pass\n",
        "catches everything",
    ),
    ("src/aegis/__init__.py", "x = 1\n", "no module docstring"),
    ("src/aegis/__init__.py", "", "is empty"),
    ("src/aegis/__init__.py", MODULE + "b = a = 1\n__all__ = ['b', 'a']\n", "not sorted"),
    ("src/aegis/__init__.py", MODULE + "a = 1\n__all__ = ['a', 'a']\n", "free of repetition"),
    ("src/aegis/__init__.py", MODULE + "__all__ = ['a']\n", "which is not defined"),
    (
        "src/aegis/__init__.py",
        MODULE + "from .cli import main\n__all__ = []\n",
        "`main` is public but not in `__all__`",
    ),
    ("src/aegis/lonely.py", MODULE, "no shipped surface reaches"),
    ("docs/a.md", "# One\n\n# Two\n", "has 2 h1"),
    ("docs/a.md", "text\n", "has 0 h1"),
    ("docs/a.md", "# A\n\n[b](b.md)\n", "leads nowhere"),
    ("docs/a.md", "# A\n\n[b](../README.md#start)\n", "no such heading"),
    ("docs/a.md", "# A\n\nA seamless thing.\n", "does not belong"),
    ("docs/a.md", "# A\n\nSee /home/someone/notes.\n", "make the path relative"),
    ("docs/big.md", "# A\n" + "x\n" * 300_000, "size in KiB"),
    ("tools/tidy.toml", '[file_lines]\n"tools/x.py" = 500\n', "not needed any more"),
]


@pytest.mark.parametrize(("path", "text", "complaint"), BREACHES, ids=lambda value: value[:40])
def test_a_breach_is_noticed(little, path, text, complaint):
    write(little, path, text)
    assert any(complaint in line for line in tidy(little)), tidy(little)


def test_cleaning_up_and_raising_on_is_not_catching(little):
    text = MODULE + "try:\n    f()\nexcept BaseException:\n    g()\n    raise\n"
    write(little, "src/aegis/__init__.py", text)
    assert tidy(little) == []


def test_data_may_be_called_as_it_likes(little):
    write(little, "src/aegis/words/common.txt", "the\n")
    assert tidy(little) == []


def test_an_exception_allows_just_what_it_says(little):
    write(little, "tools/x.py", "x = 1\n" * 450)
    write(little, "tools/tidy.toml", '[file_lines]\n"tools/x.py" = 450\n')
    assert tidy(little) == []
    write(little, "tools/x.py", "x = 1\n" * 451)
    assert "grew to 451" in tidy(little)[0]
    write(little, "tools/x.py", "x = 1\n" * 410)
    write(little, "tools/tidy.toml", '[file_lines]\n"tools/x.py" = 500\n')
    assert "lower its entry" in tidy(little)[0]


TYPES = MODULE + "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {} import {}\n"
LATE = MODULE + "def f():\n    from {} import {}\n    return {}\n"

CIRCLES = [
    {"a": MODULE + "from .b import B\n", "b": TYPES.format(".a", "A")},
    {"a": MODULE + "from . import b\n", "b": LATE.format(".a", "A", "A")},
    {"a": MODULE + "import aegis.b\n", "b": MODULE + "from aegis.a import A\n"},
    {
        "a": MODULE + "from .b import B\n",
        "b": MODULE + "from .c import C\n",
        "c": TYPES.format(".a", "A"),
    },
    {"a/__init__": MODULE + "from .b import B\n", "a/b": MODULE + "from . import A\n"},
]


@pytest.fixture
def reaching(little):
    """The same, where everything in `src` is reached."""
    write(little, "src/aegis/__init__.py", MODULE + "from . import a\n")
    return little


@pytest.mark.parametrize("files", CIRCLES, ids=lambda files: "-".join(files).replace("/", "."))
def test_a_circle_of_imports_is_noticed_however_it_is_tied(reaching, files):
    for name, text in files.items():
        write(reaching, f"src/aegis/{name}.py", text)
    (complaint,) = tidy(reaching)
    assert complaint.startswith("src/aegis/a")
    assert "imports in a circle" in complaint
    assert all(f"`src/aegis/{name}.py`" in complaint for name in files)
    assert "imports A from `src/aegis/a" in complaint


def test_the_shortest_circles_are_told_one_by_one(reaching):
    write(reaching, "src/aegis/a.py", MODULE + "from .b import B, D\nfrom .c import C\n")
    write(reaching, "src/aegis/b.py", MODULE + "from .a import A\nfrom .c import C\n")
    write(reaching, "src/aegis/c.py", MODULE + "from .a import A\n")
    first, second, third = tidy(reaching)
    assert first.startswith(
        "src/aegis/a.py:2: imports in a circle: `src/aegis/a.py` imports B, D from "
        "`src/aegis/b.py`, which imports A from `src/aegis/a.py`; "
    )
    assert second.startswith(
        "src/aegis/a.py:2: imports in a circle: `src/aegis/a.py` imports B, D from "
        "`src/aegis/b.py`, which imports C from `src/aegis/c.py`, which imports A from "
        "`src/aegis/a.py`; "
    )
    assert third.startswith("src/aegis/a.py:3: ")


def test_imports_that_meet_again_are_no_circle(reaching):
    write(reaching, "src/aegis/a.py", MODULE + "from .b import B\nfrom .c import C\n")
    write(reaching, "src/aegis/b.py", MODULE + "from .d import D\n")
    write(reaching, "src/aegis/c.py", MODULE + "from .d import D\nNAME = 'a'\n")
    write(reaching, "src/aegis/d.py", MODULE)
    assert tidy(reaching) == []


@pytest.mark.parametrize(
    "root",
    [
        "from . import lonely\n",
        "from .lonely import x\n",
        "import aegis.lonely\n",
        "LAZY = {'x': 'lonely'}\ndef __getattr__(name): ...\n",
        "LAZY = {'x': 'lonely:x'}\n",
        "LAZY = {'x': '.lonely'}\n",
        "LAZY = {'x': 'aegis.lonely:x'}\n",
    ],
)
def test_every_way_of_importing_counts_as_reached(little, root):
    write(little, "src/aegis/lonely.py", MODULE)
    write(little, "src/aegis/__init__.py", MODULE + root)
    assert tidy(little) == []


def test_a_word_that_happens_to_be_a_module_name_reaches_nothing(little):
    write(little, "src/aegis/lonely.py", MODULE)
    write(little, "src/aegis/__init__.py", MODULE + "KIND = 'lonely'\n")
    assert "no shipped surface reaches" in tidy(little)[0]


def test_a_module_that_only_an_unreached_one_imports_is_unreached_too(little):
    write(little, "src/aegis/a.py", MODULE + "from . import b\n")
    write(little, "src/aegis/b.py", MODULE)
    assert len(tidy(little)) == 2
