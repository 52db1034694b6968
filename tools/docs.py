"""Writes the generated files again: `python tools/docs.py`; `--check` only compares.

Every such file has one source in the code, so one that differs from its source is a fault of the
change that made it differ: run `make docs` and commit the result.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

import catalogue
import make_verifier
import pages
import reference

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent

GENERATED: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": reference.commands,
    "docs/reference/configuration.md": reference.configuration,
    "docs/reference/errors.md": pages.errors,
    "docs/reference/guards/rules.md": catalogue.guards,
    "docs/reference/policy.md": catalogue.policy,
    "docs/reference/python.md": pages.python,
    "spec/pack.schema.json": pages.pack_schema,
    "spec/policy.schema.json": pages.policy_schema,
    "tools/aegis_verify.py": make_verifier.build,
}
"""Generated file → the function that returns its text."""


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    stale = []
    for name, generate in GENERATED.items():
        path = ROOT / name
        text = generate()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    for name in stale:
        print(f"{name}:1: differs from its source in the code; run make docs and commit it")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
