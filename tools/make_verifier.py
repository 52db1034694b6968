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
    imports: set[str] = set()
    typing_only: set[str] = set()
    bodies: list[str] = []
    doc = ""
    for path in PARTS:
        text = path.read_text()
        nodes = ast.parse(text).body
        doc = ast.get_source_segment(text, nodes[0]) or ""
        start = 1
        for node in nodes[1:]:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if not (isinstance(node, ast.ImportFrom) and node.level):
                    imports.update(_one_by_one(node))
            elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                for inner in node.body:
                    typing_only.update(_one_by_one(inner))
            else:
                start = node.lineno - len(getattr(node, "decorator_list", ()))
                break
        bodies.append("\n".join(text.split("\n")[start - 1 :]).strip("\n"))
    imports.discard("from __future__ import annotations")
    head = [doc, "", "# made by tools/make_verifier.py from the modules of aegis.ledger", ""]
    head += ["from __future__ import annotations", "", *sorted(imports), ""]
    head += ["if TYPE_CHECKING:", *(f"    {line}" for line in sorted(typing_only)), ""]
    return "\n".join(head) + "\n" + "\n\n\n".join(bodies) + "\n"


def _one_by_one(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [f"from {node.module} import {alias.name}" for alias in node.names]
    assert isinstance(node, ast.Import)
    return [f"import {alias.name}" for alias in node.names]


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
