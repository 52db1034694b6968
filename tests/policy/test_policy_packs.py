"""The policy packs decide as their notes say, for whatever spelling of a command."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.model import Action, CallerError, Verdict
from aegis.policy import Policy, lint, packs
from aegis.policy.cases import run
from aegis.tools.dangers import DANGERS
from aegis.tools.read import as_read

PACKS = {name: Policy.from_text(packs.text(name), f"{name}.yaml") for name in packs.NAMES}


def decided(name, line, protocol="shell"):
    key = "command" if protocol == "shell" else "sql"
    return PACKS[name].decide(as_read(Action("Bash", params={key: line}, protocol=protocol)))


@pytest.mark.parametrize("name", packs.NAMES)
def test_the_cases_of_a_pack_hold(name):
    results = run(PACKS[name], packs.cases(name), f"{name}.cases.yaml", read=as_read)
    assert [f"{r.case.name}: {r.why}" for r in results if not r.passed] == []
    decided_by = {result.decision.rule for result in results}
    assert len(decided_by) >= 3


@pytest.mark.parametrize("name", packs.NAMES)
def test_a_pack_says_what_it_does_and_has_nothing_to_complain_about(name):
    assert packs.note(name).startswith("An agent") or packs.note(name).startswith("A coding")
    assert lint(PACKS[name]) == []


def test_an_unknown_pack_is_refused():
    with pytest.raises(CallerError, match="no pack"):
        packs.text("../secrets")


def test_every_named_danger_exists():
    for name in packs.NAMES:
        for braces, single in re.findall(r"danger:(?:\{([^}]*)\}|([\w-]+))", packs.text(name)):
            assert set((braces or single).split(",")) <= set(DANGERS), name


QUOTES = st.sampled_from(["{}", "'{}'", '"{}"', "\\{}"])
FRAMES = st.sampled_from(
    ["{}", "true && {}", "( {} )", "cd src; {}", "{} | cat", "sh -c \"{}\"", "x=$({})", "! {}",
     "time {}", "if true; then {}; fi", "nohup {}", "env A=1 {}", "echo $({})", "bash -lc \"{}\""]
)  # fmt: skip
SECRETS = st.sampled_from(["~/.ssh/id_rsa", "/etc/shadow", "$HOME/.aws/credentials", "~/.netrc"])
READERS = st.sampled_from(["cat", "head -1", "less", "/bin/cat", "grep x", "base64", "sort"])
CHANGES = st.sampled_from(
    ["rm a.txt", "touch a", "sed -i s/a/b/ a", "mv a b", "echo x > a", "tee a", "make", "./x.sh",
     "python x.py", "git commit -m x", "git push", "npm install", "docker build .", "kill 12",
     "kubectl apply -f x", "mkdir d", "chmod +x a", "dd of=a", "git checkout -b x", "unknownprog"]
)  # fmt: skip
PROTECTED = st.sampled_from(
    [
        "main",
        "master",
        "HEAD:main",
        "fix:refs/heads/main",
        "release/1",
        "x:production",
        "heads/main",
        "+x:main",
        ":main",
        "main fix",
    ]
)
GITS = st.sampled_from(["git", "git --no-pager", "git -C app", "/usr/bin/git", "git -c a.b=c"])


@settings(max_examples=300, deadline=None)
@given(FRAMES, CHANGES)
def test_readonly_changes_nothing(frame, change):
    assert decided("readonly", frame.format(change)).verdict >= Verdict.REVIEW


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(packs.NAMES), FRAMES, READERS, SECRETS)
def test_no_pack_lets_secrets_be_read(name, frame, reader, secret):
    assert decided(name, frame.format(f"{reader} {secret}")).verdict >= Verdict.REVIEW


@settings(max_examples=300, deadline=None)
@given(FRAMES, GITS, st.sampled_from(["origin", "git@github.com:o/r.git", "-u origin"]), PROTECTED)
def test_a_pr_writer_pushes_to_no_protected_branch_alone(frame, git, remote, refs):
    line = frame.format(f"{git} push {remote} {refs}")
    assert decided("pr-writer", line).verdict >= Verdict.REVIEW, line


@settings(max_examples=300, deadline=None)
@given(GITS, st.from_regex(r"(?:fix|feat)/[a-z]{1,12}", fullmatch=True), st.booleans())
def test_a_pr_writer_pushes_branches_of_its_own(git, branch, upstream):
    if git.startswith("git -c"):
        git = "git"
    line = f"{git} push {'-u ' if upstream else ''}origin {branch}"
    assert decided("pr-writer", line).verdict is Verdict.ALLOW, line


@settings(max_examples=500, deadline=None)
@given(
    FRAMES,
    st.sampled_from(
        [
            "terraform apply",
            "kubectl delete pod x",
            "helm upgrade a b",
            "aws s3 rm s3://b",
            "docker system prune -af",
            "terraform destroy",
            "kubectl exec a -- ls",
            "pulumi up",
            "gcloud run deploy x",
        ]
    ),
)
def test_infrastructure_changes_only_with_a_person(frame, change):
    assert decided("infra-review", frame.format(change)).verdict >= Verdict.REVIEW


STATEMENTS = st.sampled_from(
    ["DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (1)", "UPDATE a SET x = 1 WHERE y = 2",
     "DROP TABLE a", "CREATE TABLE b (id int)", "GRANT ALL ON a TO b", "COPY a TO PROGRAM 'x'",
     "SELECT pg_read_file('/x')", "ALTER TABLE a ADD b int", "CALL p()", "VACUUM"]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    STATEMENTS,
    st.sampled_from(
        [
            "{}",
            "SELECT 1; {}",
            "/* x */ {}",
            "EXPLAIN ANALYZE {}",
            "BEGIN; {}; COMMIT",
            "-- x\n{}",
            "{};",
        ]
    ),
    st.booleans(),
)
def test_an_explorer_writes_nothing(statement, frame, lower):
    text = frame.format(statement.lower() if lower else statement)
    assert decided("sql-explorer", text, "sql").verdict is Verdict.BLOCK, text


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["readonly", "pr-writer", "infra-review", "coding-agent-strict",
                        "coding-agent-permissive"]),
       st.sampled_from(["aegis approve 1", "/usr/bin/aegis kit remove", "echo x > .aegis/kit.yaml",
                        "rm -r .claude", "sed -i s/a/b/ .gemini/settings.json",
                        "cp x .claude/settings.json", "mv .aegis x", "tee .claude/hooks.json",
                        "git mv .claude x", "git restore .claude/settings.json",
                        "git checkout HEAD~1 -- aegis.yaml", "git -C .claude rm hooks.json",
                        "cp evil/kit-policy.yaml .aegis", "cp -r evil/.aegis .", "cp -r evil/. .",
                        "sed -n 'w .aegis/kit.yaml' x", "awk '{print > \".aegis/kit.yaml\"}' x",
                        "awk '{print > (\".aegis\" \"/kit.yaml\")}' x", "rsync -a evil/ .",
                        "strace -o .aegis/kit.yaml ls", "sort --outp=.aegis/kit.yaml x",
                        "cd nonexistent; echo x > .aegis/kit.yaml"]),
       FRAMES)  # fmt: skip
def test_no_pack_lets_an_agent_change_what_governs_it(name, change, frame):
    frame = frame.replace("cd src", "cd .")
    assert decided(name, frame.format(change)).verdict >= Verdict.REVIEW
