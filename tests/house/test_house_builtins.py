"""Every built-in plugin loads, has a page, and has cases."""

import re
from pathlib import Path

import pytest

from aegis.kernel import discover

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"

SHIPPED = [
    (kind, name, target)
    for kind, table in discover.BUILTIN.items()
    for name, target in table.items()
]

PAGES = {"secrets": "secrets", "state": "stores"}
"""Kinds whose page is not called after their plural."""

TESTS = "\n".join(
    path.read_text() for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "house"
)


def pages() -> dict[str, str]:
    """The text of every reference page, by path below docs/reference."""
    return {
        path.relative_to(REFERENCE).as_posix(): path.read_text() for path in REFERENCE.rglob("*.md")
    }


@pytest.mark.parametrize(("kind", "name", "target"), SHIPPED)
def test_a_built_in_loads(kind, name, target):
    assert discover.load(kind, name) is not None


@pytest.mark.parametrize(("kind", "name", "target"), SHIPPED)
def test_a_built_in_has_a_page(kind, name, target):
    """A page of its own, or a section headed by its name on a page of its kind."""
    plural = PAGES.get(kind, f"{kind}s")
    written = pages()
    heading = re.compile(rf"^##+ .*`{re.escape(name)}`", re.MULTILINE)
    shared = "\n".join(
        text for path, text in written.items() if path.startswith((f"{plural}.md", f"{plural}/"))
    )
    assert f"{plural}/{name}.md" in written or heading.search(shared), (
        f"write docs/reference/{plural}/{name}.md or a section in {plural}.md"
    )


@pytest.mark.parametrize(("kind", "name", "target"), SHIPPED)
def test_a_built_in_has_cases(kind, name, target):
    """A test that imports its module or constructs it by name."""
    module, _, attribute = target.partition(":")
    assert module in TESTS, f"no test imports {module}"
    assert re.search(rf"\b{attribute}\b", TESTS), f"no test uses {attribute}"
    assert re.search(rf"[\"'`]?\b{name}\b", TESTS), f"no test names {name}"
