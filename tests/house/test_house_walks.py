"""`ARCHITECTURE.md` is true: its code map is the tree, its walks name files that exist and that
lead from one to the next, its invariants name tests that exist.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/aegis"
PAGE = (ROOT / "ARCHITECTURE.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next one of its rank."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"ARCHITECTURE.md has no section `{title}`"
    return found.group(1)


def floors() -> dict[str, int]:
    """Package → floor, as the code map says."""
    rows = re.findall(r"^\| (\d) \| `(\w+)/` \|", section("Code map"), re.MULTILINE)
    return {name: int(floor) for floor, name in rows}


def test_the_code_map_lists_every_package_once():
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert set(floors()) == packages


def test_the_floors_of_the_map_are_the_ones_that_are_enforced():
    contract = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    enforced = [re.findall(r"aegis\.(\w+)", row) for row in contract.group(1).splitlines()]
    enforced = [row for row in enforced if row][::-1]
    rank = {name: position for position, row in enumerate(enforced) for name in row}
    mapped = floors()
    assert set(mapped) == set(rank)
    for lower in mapped:
        for upper in mapped:
            if mapped[lower] < mapped[upper]:
                assert rank[lower] < rank[upper], f"{lower} is not below {upper}"


def walks() -> dict[str, list[str]]:
    """The files of each walk, in order."""
    found = {}
    for part in re.split(r"^### ", section("Two walks"), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        found[title] = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    return found


def test_there_are_two_walks_that_can_be_followed_in_one_go():
    assert len(walks()) == 2
    assert all(6 <= len(set(files)) <= 18 for files in walks().values()), walks()


@pytest.mark.parametrize("name", sorted({file for files in walks().values() for file in files}))
def test_a_file_of_a_walk_exists_and_can_be_read_in_one_sitting(name):
    path = SOURCE / name
    assert path.is_file(), f"{name} is not in src/aegis"
    assert len(path.read_text().splitlines()) <= 400


def test_every_path_on_the_page_exists():
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", PAGE):
        places = [ROOT / name, SOURCE / name]
        assert any(place.exists() for place in places), f"`{name}` does not exist"


def invariants() -> list[tuple[int, str]]:
    return [
        (int(number), text)
        for number, text in re.findall(
            r"^(\d+)\. (.+?)(?=^\d+\. |\Z)", section("Invariants"), re.MULTILINE | re.DOTALL
        )
    ]


def test_the_invariants_are_numbered_in_order():
    assert [number for number, _ in invariants()] == list(range(1, len(invariants()) + 1))


@pytest.mark.parametrize(("number", "text"), invariants(), ids=lambda value: str(value)[:12])
def test_an_invariant_names_tests_that_exist(number, text):
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert named, f"invariant {number} names no test"
    for path, function in named:
        assert (ROOT / path).is_file(), path
        if function:
            tree = ast.parse((ROOT / path).read_text())
            names = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            }
            assert function in names, f"{path} has no {function}"
