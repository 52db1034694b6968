"""Makes `tools/aegis_verify.py`: the two modules of the verifier as one file.

python tools/make_verifier.py          writes it
python tools/make_verifier.py --check  exits 1 where it is not up to date
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (ROOT / "src/aegis/ledger/walk.py", ROOT / "src/aegis/ledger/verify.py")
TARGET = ROOT / "tools/aegis_verify.py"


def build() -> str:
    """The text of the stand-alone verifier."""
    imports: dict[str, set[str]] = {}
    typing_only: dict[str, set[str]] = {}
    bodies: list[str] = []
    doc = ""
    for path in PARTS:
        text = path.read_text()
        nodes = ast.parse(text).body
        doc = ast.get_source_segment(text, nodes[0]) or ""
        start = 1
        for node in nodes[1:]:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                _collect(node, imports)
            elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                for inner in node.body:
                    _collect(inner, typing_only)
            else:
                start = node.lineno - len(getattr(node, "decorator_list", ()))
                break
        bodies.append("\n".join(text.split("\n")[start - 1 :]).strip("\n"))
    del imports["__future__"]
    ours = {module for module in imports if module.startswith("cryptography")}
    head = [doc, "", "# made by tools/make_verifier.py from the modules of aegis.ledger", ""]
    head += ["from __future__ import annotations", ""]
    head += _lines({module: names for module, names in imports.items() if module not in ours})
    head += ["", *_lines({module: imports[module] for module in ours}), ""]
    head += ["if TYPE_CHECKING:", *(f"    {line}" for line in _lines(typing_only)), ""]
    return "\n".join(head) + "\n" + "\n\n\n".join(bodies) + "\n"


def _collect(node: ast.stmt, found: dict[str, set[str]]) -> None:
    """Note what an import statement brings; a plain import brings no names."""
    if isinstance(node, ast.ImportFrom):
        if not node.level:
            names = {alias.name for alias in node.names}
            found.setdefault(node.module or "", set()).update(names)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            found.setdefault(alias.name, set())


def _lines(found: dict[str, set[str]]) -> list[str]:
    """The import statements, in the order ruff wants."""

    def rank(name: str) -> tuple[bool, bool, str]:
        return not name.isupper(), not name[:1].isupper(), name

    plain = [f"import {module}" for module in sorted(found) if not found[module]]
    return plain + [
        f"from {module} import {', '.join(sorted(found[module], key=rank))}"
        for module in sorted(found)
        if found[module]
    ]


def main() -> int:
    """The command line."""
    text = build()
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text() if TARGET.exists() else ""
        if current != text:
            print(f"{TARGET} is not up to date; run `python tools/make_verifier.py`")
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
