"""Compile the detection rules into the one file the engine loads.

Run after any change below `src/aegis/detect/rules` or `src/aegis/detect/lexicon`:
`python tools/compile_rules.py`.
"""

from __future__ import annotations

from pathlib import Path

from aegis.detect.ruleset import COMPILED, encode
from aegis.detect.source import compile_rules

ROOT = Path(__file__).resolve().parent.parent / "src" / "aegis" / "detect"


def main() -> None:
    """Write `rules.json`."""
    rules = compile_rules(ROOT)
    target = ROOT / COMPILED
    target.write_bytes(encode(rules))
    print(f"{target}: {len(rules.spans)} span rules, {len(rules.rules)} concept rules")


if __name__ == "__main__":
    main()
