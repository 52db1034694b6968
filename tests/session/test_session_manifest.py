"""What goes beyond a task, in every way a manifest can say."""

from fnmatch import fnmatchcase

import pytest

from aegis.model import Action, Resource
from aegis.session.manifest import NOTHING, Manifest, Progress, advanced, drift

NOW = 1_800_000_000_000_000
DOCS = Manifest(
    "docs",
    tools=("read_*", "write_file"),
    resources=("docs/*",),
    protocols=("mcp",),
    verbs=("read", "write"),
    max_actions=3,
    max_cost_micros=1_000,
    expires=NOW + 1,
)


def matches(globs, name):
    return any(fnmatchcase(name, glob) for glob in globs)


def kinds(progress=NOTHING, now=NOW, manifest=DOCS, **fields):
    fields = {"type": "read_file", "target": "docs/a.md", "protocol": "mcp"} | fields
    action = Action(capability=fields.pop("capability", "read"), **fields)
    return [found.kind for found in drift(manifest, action, progress, now, matches)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"type": "write_file", "capability": "write"}, []),
        ({"type": "drop_table"}, ["unexpected_tool"]),
        ({"target": "src/a.py"}, ["unexpected_resource"]),
        ({"target": ""}, []),
        ({"resources": (Resource("file", "src/b.py", "read"),)}, ["unexpected_resource"]),
        ({"resources": (Resource("file", "docs/b.md", "delete"),)}, ["unexpected_verb"]),
        ({"protocol": "sql"}, ["unexpected_protocol"]),
        ({"capability": "delete"}, ["unexpected_verb"]),
        ({"now": NOW + 1}, ["manifest_expired"]),
        ({"progress": Progress(2, 999)}, []),
        ({"progress": Progress(3, 0)}, ["exceeded_max_actions"]),
        ({"progress": Progress(0, 1_000)}, ["exceeded_max_cost"]),
        (
            {"type": "x", "protocol": "sql", "target": "y", "capability": "approve"},
            ["unexpected_tool", "unexpected_protocol", "unexpected_resource", "unexpected_verb"],
        ),
    ],
)
def test_drift(change, expected):
    assert kinds(**change) == expected


def test_an_empty_manifest_restricts_nothing():
    assert kinds(Progress(10**6, 10**9), manifest=Manifest("free"), type="x", target="y") == []


def test_progress():
    assert advanced(advanced(NOTHING, 5), 7) == Progress(2, 12)
