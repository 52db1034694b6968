"""`aegis packs`: writing, signing, adding and checking rule packs; what is refused, and how."""

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples" / "packs").glob("*.yaml"))

PACK = """\
pack: "1"
name: acme-names
version: 1.0.0
licence: Apache-2.0
author: ACME security team
rules:
  - id: code_name
    type: PROJECT_NAME
    patterns: ['\\b(?:bluebird|sandcastle)\\b']
    hits: [When does Bluebird ship?, deploy sandcastle-api]
    misses: [Two birds in a blue tree., A castle of sand.]
"""

CONFIG = """\
guardrails:
  pii: {}
  packs: { options: { use: [acme-names] } }
"""


@pytest.fixture
def pack(folder):
    """Writes a pack, with some of its text replaced."""

    def write(*replaced, name="acme.yaml"):
        text = PACK
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        (folder / name).write_text(text)
        return name

    return write


@pytest.fixture
def publisher(aegis, folder):
    """Signs a pack; the verifier key that goes with it."""

    def sign(file, key="publisher.pem"):
        done = aegis("packs", "sign", file, "--key", key, "--name", "acme.example")
        return next(
            line.removeprefix("publisher: ")
            for line in done.out.splitlines()
            if line.startswith("publisher: ")
        )

    return sign


def test_a_signed_pack_is_added_listed_and_removed(aegis, folder, pack, publisher):
    key = publisher(pack())
    assert (folder / "publisher.pem").stat().st_mode & 0o777 == 0o600
    aegis("packs", "trust", key)
    assert "it is not in force yet" in aegis("packs", "add", "acme.yaml").err
    (line,) = aegis("packs", "list", "--json").json
    assert line["signer"] == key
    assert (line["name"], line["version"], line["rules"]) == ("acme-names", "1.0.0", 1)
    assert (line["used"], line["problem"]) == (False, "")
    lock = json.loads((folder / ".aegis/packs/packs.lock").read_text())
    assert lock["packs"]["acme-names"]["sha256"] == line["sha256"]
    aegis("packs", "verify")
    assert "1.0.0: 4 cases hold" in aegis("packs", "test").out
    aegis("packs", "remove", "acme-names")
    assert aegis("packs", "list", "--json").json == []
    assert sorted(path.name for path in (folder / ".aegis/packs").iterdir()) == [
        "packs.lock",
        "trusted.keys",
    ]


def test_every_change_is_a_record(aegis, pack, publisher):
    aegis("packs", "trust", publisher(pack()))
    aegis("packs", "add", "acme.yaml")
    aegis("packs", "remove", "acme-names")
    told = aegis("audit", "--kind", "admin", "--format", "jsonl").out
    assert [told.count(f"pack.{what}") for what in ("trust", "add", "remove")] == [1, 1, 1]
    assert told.count("acme-names 1.0.0") == 2


def test_an_unsigned_pack_has_to_be_asked_for(aegis, pack):
    assert "has no signature beside it" in aegis("packs", "add", pack(), code=2).err
    assert aegis("packs", "list", "--json").json == []
    aegis("packs", "add", "acme.yaml", "--unsigned")
    (line,) = aegis("packs", "list", "--json").json
    assert (line["signer"], line["problem"]) == ("", "")


def test_a_publisher_nobody_trusts(aegis, pack, publisher):
    publisher(pack())
    said = aegis("packs", "add", "acme.yaml", code=2).err
    assert "no publisher trusted here has signed it" in said
    assert "aegis packs trust" in said


def test_a_signature_of_other_content(aegis, folder, pack, publisher):
    aegis("packs", "trust", publisher(pack()))
    pack(("When does Bluebird ship?", "Is Bluebird late?"))
    said = aegis("packs", "add", "acme.yaml", code=2).err
    assert "its signature by `acme.example` is for other content" in said
    assert "for other content" in aegis("packs", "verify", "acme.yaml", code=1).err


def test_a_name_does_not_make_a_publisher(aegis, folder, pack, publisher):
    aegis("packs", "trust", publisher(pack()))
    publisher("acme.yaml", key="somebody-else.pem")
    assert "no publisher trusted here" in aegis("packs", "add", "acme.yaml", code=2).err


def test_a_publisher_who_is_not_trusted_any_more(aegis, folder, pack, publisher):
    aegis("packs", "trust", publisher(pack()))
    aegis("packs", "add", "acme.yaml")
    (folder / ".aegis/packs/trusted.keys").write_text("")
    assert "no publisher trusted here" in aegis("packs", "verify", code=1).err


def test_a_pack_changed_after_it_was_added_is_refused_everywhere(aegis, folder, pack):
    aegis("packs", "add", pack(), "--unsigned")
    (folder / "aegis.yaml").write_text(CONFIG)
    assert "guard packs" in aegis("doctor", code=None).out
    kept = folder / ".aegis/packs/acme-names-1.0.0.yaml"
    kept.write_text(kept.read_text().replace("bluebird|", ""))
    assert "changed since it was added" in aegis("packs", "verify", code=1).err
    assert "changed since it was added" in aegis("doctor", code=1).out
    assert "changed since it was added" in aegis("keys", "create", "--name", "me", code=2).err
    # mending works although nothing else starts
    (folder / "aegis.yaml").write_text("guardrails: { pii: {} }\n")
    aegis("packs", "remove", "acme-names")
    aegis("packs", "add", "acme.yaml", "--unsigned")


def test_a_pack_in_force_that_was_never_added(aegis, folder):
    (folder / "aegis.yaml").write_text(CONFIG)
    assert "no rule pack `acme-names` was added" in aegis("keys", "list", code=None).err + (
        aegis("keys", "create", "--name", "me", code=2).err
    )


def test_a_pack_in_force_is_not_removed(aegis, folder, pack):
    aegis("packs", "add", pack(), "--unsigned")
    (folder / "aegis.yaml").write_text(CONFIG)
    assert aegis("packs", "list", "--json").json[0]["used"] is True
    assert "is in force" in aegis("packs", "remove", "acme-names", code=2).err


def test_a_text_is_read_with_the_packs_in_force(aegis, folder, pack):
    assert "puts no rule packs in force" in aegis("detect", "Bluebird", "--packs", code=2).err
    aegis("packs", "add", pack(), "--unsigned")
    (folder / "aegis.yaml").write_text(CONFIG)
    assert "nothing found" in aegis("detect", "Bluebird").err
    done = aegis("detect", "Bluebird", "--packs", "--explain", code=1)
    assert "acme-names/code_name 850 = 850" in done.out
    assert "masked: [PROJECT_NAME]" in done.out


def test_versions_only_grow(aegis, pack):
    aegis("packs", "add", pack(("1.0.0", "1.9.0")), "--unsigned")
    aegis("packs", "add", "acme.yaml", "--unsigned")
    pack(("1.0.0", "1.9.0"), ("A castle of sand.", "Sand."))
    assert "needs a later version" in aegis("packs", "add", "acme.yaml", "--unsigned", code=2).err
    assert "remove it first" in aegis("packs", "add", pack(), "--unsigned", code=2).err
    aegis("packs", "add", pack(("1.0.0", "1.10.0")), "--unsigned")
    assert aegis("packs", "list", "--json").json[0]["version"] == "1.10.0"


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        (("[Two birds", "[The bluebird sings., Two birds"), "`code_name` finds something in it"),
        (("[When does Bluebird ship?", "[When do we ship?"), "`code_name` finds nothing in it"),
    ],
)
def test_a_pack_whose_own_cases_fail_is_refused(aegis, pack, replaced, said):
    name = pack(replaced)
    failed = aegis("packs", "test", name, code=1).out
    assert said in failed
    assert "1 of " in failed
    added = aegis("packs", "add", name, "--unsigned", code=2).err
    assert said in added
    assert "acme.yaml:1" in added, "with its line"
    assert aegis("packs", "list", "--json").json == []
    assert said in aegis("packs", "sign", name, "--key", "p.pem", code=2).err


def test_a_hit_that_another_rule_takes_is_none(aegis, pack):
    name = pack(
        ("'\\b(?:bluebird|sandcastle)\\b'", "'\\S+@bluebird\\.example'"),
        (
            "When does Bluebird ship?, deploy sandcastle-api",
            "jo@bluebird.example, a@bluebird.example",
        ),
        ("type: PROJECT_NAME", "type: PROJECT_NAME\n    confidence: 600"),
    )
    said = aegis("packs", "test", name, code=1).out
    assert "`email` is found there, and is surer" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('pack: "1"', 'pack: "2"', "acme.yaml:1:7: pack: has to be one of 1"),
        ("name: acme-names", "name: ACME Names", "acme.yaml:2:7: name: `ACME Names` has to be"),
        ("version: 1.0.0", "version: 1.0", "acme.yaml:3:10: version"),
        ("version: 1.0.0", "version: one", "has to be three numbers"),
        ("licence: Apache-2.0\n", "", "key `licence` is missing"),
        ("author: ACME security team", "author: ''", "author: must not be empty"),
        ("author:", "autor:", "did you mean `author`?"),
        ("id: code_name", "id: code name", "acme.yaml:7:9: rules[0].id"),
        ("type: PROJECT_NAME", "type: project", "acme.yaml:8:11: rules[0].type"),
        ("(?:bluebird|sandcastle)", "(?=bluebird)", "is no RE2 pattern"),
        ("\\b(?:bluebird|sandcastle)\\b", "(?:bluebird)?", "matches the empty text"),
        ("\\b(?:bluebird|sandcastle)\\b", "((a{900}){900}){900}", "is no RE2 pattern"),
        ("\\b(?:bluebird|sandcastle)\\b", "a" * 2001, "longer than 2000 characters"),
        (", deploy sandcastle-api", "", "1 hits; a rule needs 2"),
        (", A castle of sand.", "", "1 misses; a rule needs 2"),
        (", A castle of sand.", ", Two birds in a blue tree.", "stands there twice"),
        ("    hits:", "    confidence: 90\n    hits:", "rules[0].confidence: has to be"),
        ("    hits:", "    category: money\n    hits:", "rules[0].category: has to be one of"),
        ("    hits:", "    kinds: [songs]\n    hits:", "rules[0].kinds[0]"),
        ("    hits:", "    validators: [lune]\n    hits:", "unknown validator `lune`"),
        ("rules:", "rules: []\nother:", "unknown key `other`"),
        ("rules:", "rules: &x\n  - *x\n  -", "acme.yaml"),
    ],
)
def test_a_wrong_pack_is_refused_with_its_place(aegis, pack, old, new, said):
    assert said in aegis("packs", "test", pack((old, new)), code=2).err


def test_two_rules_of_one_name(aegis, folder, pack):
    pack()
    rule = PACK.partition("rules:\n")[2]
    (folder / "acme.yaml").write_text(PACK + rule)
    assert (
        "rules[1].id: `code_name` names two rules"
        in aegis("packs", "test", "acme.yaml", code=2).err
    )


@pytest.mark.parametrize("arguments", [("add", "none.yaml"), ("test", "none.yaml"), ("test",)])
def test_no_pack_at_all(aegis, arguments):
    assert aegis("packs", *arguments, code=2).err.startswith("aegis: ")


@pytest.mark.parametrize("key", ["x", "acme.example+00000000+AAAA", ""])
def test_what_is_no_key_of_a_publisher(aegis, key):
    assert "not a verifier key" in aegis("packs", "trust", key, code=2).err


def test_a_damaged_lock_is_named(aegis, folder, pack):
    aegis("packs", "add", pack(), "--unsigned")
    (folder / ".aegis/packs/packs.lock").write_text("{")
    assert "packs.lock" in aegis("packs", "list", code=2).err


@pytest.mark.parametrize(("name", "version"), [("../../kept", "1.0.0"), ("kept", "../../1.0.0")])
def test_a_lock_that_names_files_elsewhere_is_refused(aegis, folder, pack, name, version):
    aegis("packs", "add", pack(), "--unsigned")
    lock = folder / ".aegis/packs/packs.lock"
    pinned = {"version": version, "sha256": "0" * 64}
    lock.write_text(json.dumps({"version": 1, "packs": {name: pinned}}))
    kept = (lock.parent / f"{name}-{version}.yaml").resolve()
    kept.write_text("kept")
    assert "no name and version of a pack" in aegis("packs", "remove", name, code=2).err
    assert kept.read_text() == "kept"


@pytest.mark.parametrize("file", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_examples_hold_and_fit_the_schema(aegis, file):
    assert "cases hold" in aegis("packs", "test", file).out
    schema = json.loads((ROOT / "spec/pack.schema.json").read_text())
    document = YAML(typ="safe").load(file.read_text())
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "extra": 1}, schema)
