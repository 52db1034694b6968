"""Every rule folder is complete, its hits hit, its misses miss, and the compiled form is fresh."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

from aegis.detect import Engine, shared
from aegis.detect.ruleset import load
from aegis.detect.source import compile_rules, folders
from aegis.model import KINDS

ROOT = Path(__file__).resolve().parents[2] / "src" / "aegis" / "detect"
FOLDERS = folders(ROOT)
IDS = [path.name for path in FOLDERS]


@cache
def cases(folder: Path) -> dict:
    return YAML(typ="safe").load((folder / "cases.yaml").read_text(encoding="utf-8"))


def found(text: str, kind: str) -> set[str]:
    return {hit.rule for hit in shared().scan(text, kind)}


def test_there_are_rules() -> None:
    assert len(FOLDERS) >= 60
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_a_folder_is_complete(folder: Path) -> None:
    some = cases(folder)
    assert some["kind"] in KINDS
    assert some["hits"]
    assert some["misses"]
    page = (folder / "page.md").read_text(encoding="utf-8")
    for heading in ("## What it finds", "## Why it matters", "## Example", "## Limits"):
        assert heading in page
    assert f"`{folder.name}`" in page


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_hits_hit(folder: Path) -> None:
    some = cases(folder)
    missed = [text for text in some["hits"] if folder.name not in found(text, some["kind"])]
    assert not missed


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_misses_miss(folder: Path) -> None:
    some = cases(folder)
    struck = [text for text in some["misses"] if folder.name in found(text, some["kind"])]
    assert not struck


def test_the_compiled_rules_are_fresh() -> None:
    assert load() == compile_rules(ROOT), "run: python tools/compile_rules.py"


def test_the_version_is_the_content() -> None:
    rules = load()
    changed = msgspec.structs.replace(rules, spans=rules.spans[1:])
    assert Engine(rules).version == rules.version
    assert len(rules.version) == 16
    assert {hit.rule for hit in Engine(changed).scan("write to jane@mail.example.org")} <= {
        rule.id for rule in changed.spans
    }


def test_rules_fit_the_wheel() -> None:
    shipped = [ROOT / "rules.json", *ROOT.glob("lexicon/*"), *ROOT.glob("rules/*/*/*")]
    assert sum(path.stat().st_size for path in shipped) <= 2_000_000
