"""What Git and HTTP actions would do, and the door to all readers."""

import subprocess
import sys

import pytest

from aegis.model import UNDECIDED, Action
from aegis.tools import git, http
from aegis.tools.arguments import spoken
from aegis.tools.git import ZERO, RefUpdate
from aegis.tools.read import as_read, file_reading, reading_of

OLD, NEW = "a" * 40, "b" * 40


def touched(reading):
    return {f"{r.verb} {r.kind}:{r.name}" for r in reading.resources}


def test_ref_updates_say_what_a_push_would_do():
    found = git.read_updates(
        [RefUpdate("refs/heads/main", OLD, NEW), RefUpdate("refs/tags/v1", ZERO, NEW)],
        "https://git.example/org/app.git",
    )
    assert (found.capability, found.dangers) == ("write", ())
    assert touched(found) == {"write repo:org/app", "write ref:main", "write ref:tags/v1"}
    forced = git.read_updates([RefUpdate("refs/heads/x", OLD, NEW, forward=False)])
    assert (forced.capability, forced.dangers) == ("delete", ("force-push",))
    gone = git.read_updates([RefUpdate("refs/heads/x", OLD, ZERO)])
    assert (gone.dangers, touched(gone)) == (("ref-delete",), {"delete ref:x"})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"args": ["push", "origin", "main"]}, {"write remote:origin", "write ref:main"}),
        ({"args": ["-C", "x", "push", "--all"]}, {"write ref:?"}),
        ({"args": ["fetch", "https://h.example/o/r"]}, {"read repo:o/r", "read host:h.example"}),
        ({"updates": [{"ref": "refs/heads/a", "old": OLD, "new": NEW}]}, {"write ref:a"}),
    ],
)
def test_git_actions(params, expected):
    assert touched(as_read(Action("git", params=params, protocol="git"))) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git mv .claude x", {"delete file:.claude", "write file:x/.claude", "write file:x"}),
        ("git mv a/.claude .", {"delete file:a/.claude", "write file:.claude", "write file:."}),
        ("git checkout HEAD~1 -- a.yaml", {"write file:a.yaml"}),
        ("git checkout main b/a.yaml", {"write file:main", "write file:b/a.yaml"}),
        ("git checkout -b fix origin/main", set()),
        ("git restore -s HEAD~1 a", {"write file:a"}),
        ("git restore --staged a", set()),
        ("git -C sub restore ':(top)a'", {"write file:sub/a"}),
        ("git restore ':!a'", {"write file:?"}),
        ("git restore --pathspec-from-file=list", {"write file:?"}),
        ("git rm --cached a", set()),
        ("git rm a", {"delete file:a"}),
        ("git clean -fd a", {"delete file:a"}),
        ("git stash push -- a", {"write file:a"}),
        ("git format-patch -o a HEAD~1", {"write file:a"}),
        ("git log --output=a", {"write file:a"}),
        ("git worktree add ../a", {"write file:../a"}),
        ("git add .gitlab-ci.yml", {"write ci:.gitlab-ci.yml"}),
    ],
)
def test_paths_that_git_changes_are_files_that_are_written(line, expected):
    found = as_read(Action("Bash", params={"command": line}, protocol="shell"))
    kinds = ("file", "ci")
    said = {f"{r.verb} {r.kind}:{r.name}" for r in found.resources if r.kind in kinds}
    assert said == expected


def pushed(**params):
    updates = [{"ref": "refs/heads/a", "old": OLD, "new": NEW}]
    return as_read(Action("git.push", "gh/o/r", {"updates": updates, **params}, protocol="git"))


def test_the_files_of_a_push_are_resources():
    found = pushed(paths=[("M", "src/a.py"), ("D", "b"), ("A", ".github/workflows/x.yml")])
    assert {"write file:src/a.py", "delete file:b", "write ci:.github/workflows/x.yml"} <= touched(
        found
    )
    assert "danger:ci-write" in found.labels


def test_of_many_files_of_a_push_the_folders_are_named_and_pipelines_one_by_one():
    paths = [("M", f"src/{n}/a.py") for n in range(500)]
    found = pushed(paths=[*paths, ("M", "CODEOWNERS")])
    assert {"write file:src/?", "delete file:src/?", "write ci:CODEOWNERS"} <= touched(found)
    assert UNDECIDED not in found.labels
    scattered = pushed(paths=[("M", f"{n}/a.py") for n in range(500)])
    assert "write file:?" in touched(scattered)


@pytest.mark.parametrize(
    "path",
    ["appveyor.yml", ".cirrus.yml", ".semaphore/a.yml", "cloudbuild.yaml", "Jenkinsfile.prod",
     "buildspec-prod.yml", ".tekton/push.yaml", ".azure-pipelines/a.yml"],
)  # fmt: skip
def test_pipelines_of_many_makes_are_known(path):
    assert f"write ci:x/{path}" in touched(pushed(paths=[("M", f"x/{path}")]))
    assert not {f"write ci:my{path}"} & touched(pushed(paths=[("M", f"my{path}")]))


def test_what_of_a_push_could_not_be_read_is_undecided():
    assert UNDECIDED in pushed(unread="it has too many commits").labels
    assert UNDECIDED in pushed(paths="all").labels


def test_a_fetch_over_the_wire_reads():
    params = {"service": "git-upload-pack"}
    found = as_read(Action("git.fetch", "gh/o/r", params, protocol="git"))
    assert (found.capability, touched(found)) == ("read", {"read repo:gh/o/r"})


def test_a_push_of_no_readable_shape_is_undecided():
    action = as_read(Action("push", params={"updates": [{"ref": 7}]}, protocol="git"))
    assert UNDECIDED in action.labels


@pytest.mark.parametrize(
    ("method", "url", "capability", "host"),
    [
        ("GET", "https://API.Example.com./v1/x?q=1", "read", "api.example.com"),
        ("POST", "http://user:pw@bücher.example:8080/", "write", "xn--bcher-kva.example"),
        ("DELETE", "https://[::1]/x", "delete", "::1"),
        ("BREW", "x.example/pot", "execute", "x.example"),
        ("GET", "http://0x7f.1/", "read", "127.0.0.1"),
        ("GET", "http://017700000001/", "read", "127.0.0.1"),
        ("GET", "http://[::ffff:10.0.0.1]/", "read", "10.0.0.1"),
    ],
)
def test_http_actions(method, url, capability, host):
    found = http.read("fetch", "", {"method": method, "url": url})
    assert found.capability == capability
    assert next(r.name for r in found.resources if r.kind == "host") == host


@pytest.mark.parametrize(
    ("url", "danger"),
    [
        ("http://169.254.169.254/latest", "metadata-service"),
        ("http://2852039166/", "metadata-service"),
        ("http://metadata.google.internal/", "metadata-service"),
        ("http://10.1.2.3/", "private-address"),
        ("http://[fd00::1]/", "private-address"),
        ("http://printer.local/", "private-address"),
    ],
)
def test_addresses_inside_are_dangers(url, danger):
    assert http.read("GET", "", {"url": url}).dangers == (danger,)


@pytest.mark.parametrize("url", ["", "http://", "http://256.1.1.1.1/", "http://[::1", "x" * 9_000])
def test_an_address_that_cannot_be_read_is_undecided(url):
    assert http.read("GET", "", {"url": url}).undecided


def test_files_of_tools_are_named_within_the_project():
    found = file_reading("/srv/app/src/../README.md", "read", "/srv/app")
    assert touched(found) == {"read file:README.md"}
    assert file_reading("/home/ann/.ssh/id_rsa", "read", "/srv/app").dangers == (
        "credentials-read",
    )
    assert file_reading(".github/workflows/x.yml", "write").dangers == ("ci-write",)
    assert file_reading("x" * 5_000, "read").undecided


def test_only_protocols_with_a_text_are_read():
    action = Action("rm", params={"command": "rm -rf /"}, protocol="mcp")
    assert as_read(action) is action


def test_a_stated_capability_only_makes_it_stricter():
    line = {"command": "ls"}
    assert as_read(Action("x", params=line, protocol="shell")).capability == "read"
    stated = Action("x", params=line, protocol="shell", capability="delete")
    assert as_read(stated).capability == "delete"
    stated = Action("x", params={"command": "rm a"}, protocol="shell", capability="read")
    assert as_read(stated).capability == "delete"


@pytest.mark.parametrize("value", [7, {"a": 1}, ["ls", 7], None])
def test_a_command_that_is_no_text_is_undecided(value):
    action = as_read(Action("x", params={"command": value, "cmd": 7}, protocol="shell"))
    assert UNDECIDED in action.labels


def test_every_text_of_an_action_counts():
    both = Action("run", "rm -rf /", {"command": "ls", "argv": ["cat", "/etc/shadow"]}, "", "shell")
    assert set(as_read(both).labels) >= {"danger:rm-root", "danger:credentials-read"}


@pytest.mark.parametrize(
    ("missing", "protocol", "key"),
    [("tree_sitter", "shell", "command"), ("sqlglot", "sql", "sql")],
)
def test_without_its_parser_nothing_is_readable(missing, protocol, key):
    program = f"""
import sys
sys.modules[{missing!r}] = None
from aegis.model import Action
from aegis.tools.read import as_read, reading_of
print(as_read(Action("x", params={{{key!r}: "ls"}}, protocol={protocol!r})).labels)
print(reading_of({protocol!r}, "x", "", {{{key!r}: "ls"}}).undecided)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "undecided" in done.stdout
    assert "pip install aegis-govern[gates]" in done.stdout


REST = "https://api.github.com/repos/o/r"
REFS = "/git/refs/heads/main"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected", "label"),
    [
        ("GET", "/contents/a", None, {"read repo:o/r"}, ""),
        ("DELETE", "", None, {"delete repo:o/r"}, "danger:cloud-delete"),
        ("DELETE", REFS, None, {"delete ref:main"}, "danger:ref-delete"),
        ("PATCH", REFS, {"sha": NEW}, {"write ref:main"}, ""),
        (
            "PATCH",
            "/git/refs/heads%2Fmain",
            {"force": True},
            {"write ref:main"},
            "danger:force-push",
        ),
        ("POST", "/git/refs", {"ref": "refs/heads/x"}, {"write ref:x"}, ""),
        (
            "PUT",
            "/contents/.github/workflows/x.yml",
            {"branch": "fix"},
            {"write ref:fix", "write ci:.github/workflows/x.yml"},
            "danger:ci-write",
        ),
        ("PUT", "/contents/a", {}, {"write ref:?", "write file:a"}, ""),
        ("PUT", "/pulls/7/merge", {}, {"write ref:?"}, "does:approve"),
        ("POST", "/merges", {"base": "main"}, {"write ref:main"}, "does:approve"),
        ("POST", "/pulls/7/reviews", {"event": "APPROVE"}, set(), "does:approve"),
        ("PUT", "/branches/main/protection", {}, {"write ref:main"}, "danger:protection-off"),
        ("POST", "/rulesets", {}, {"write ref:?"}, "danger:protection-off"),
        ("POST", "/branches/main/rename", {"new_name": "x"}, {"write ref:x"}, "danger:ref-delete"),
        ("POST", "/actions/workflows/x.yml/dispatches", {}, set(), "does:execute"),
        ("PUT", "/collaborators/eve", {}, set(), "danger:accounts"),
        ("POST", "/releases", {}, set(), "does:deploy"),
    ],
)
def test_requests_to_githubs_api_say_what_they_do_there(method, path, body, expected, label):
    params = {"method": method, "url": REST + path, "body": body}
    found = as_read(Action(method, REST + path, params, protocol="http"))
    assert expected <= touched(found)
    assert not label or label in found.labels


def test_a_mutation_is_undecided_wherever_it_is_sent():
    for url in ("https://API.github.com/graphql", "https://git.example/api/v3/graphql"):
        params = {"method": "POST", "url": url, "body": {"query": "mutation { a }"}}
        assert UNDECIDED in as_read(Action("POST", url, params, protocol="http")).labels


@pytest.mark.parametrize(
    ("line", "expected", "capability"),
    [
        ("gh api -X DELETE repos/o/r/git/refs/heads/main", "delete ref:main", "delete"),
        ("gh api repos/o/r/contents/a -X PUT -f branch=main", "write ref:main", "write"),
        (
            "gh api https://api.github.com/repos/o/r/merges -f base=main",
            "write ref:main",
            "approve",
        ),
        ("gh api repos/o/r", "read repo:o/r", "read"),
        ("curl -X PUT https://api.github.com/repos/o/r/pulls/1/merge", "write ref:?", "approve"),
    ],
)
def test_command_lines_that_ask_githubs_api(line, expected, capability):
    found = as_read(Action("Bash", params={"command": line}, protocol="shell"))
    assert expected in touched(found)
    assert found.capability == capability


@pytest.mark.parametrize(
    ("tool", "given", "expected", "capability"),
    [
        ("get_file_contents", {"path": "a"}, {"read repo:o/r", "read file:a"}, "read"),
        (
            "create_or_update_file",
            {"path": "CODEOWNERS", "branch": "main"},
            {"write ref:main", "write ci:CODEOWNERS"},
            "write",
        ),
        ("push_files", {"files": [{"path": "a"}]}, {"write ref:?", "write file:a"}, "write"),
        ("delete_file", {"path": "a", "branch": "x"}, {"write ref:x", "delete file:a"}, "delete"),
        ("delete_branch", {"branch": "x"}, {"delete ref:x"}, "delete"),
        ("create_branch", {"branch": "x"}, {"write ref:x"}, "write"),
        ("merge_pull_request", {"pullNumber": 7}, {"write ref:?"}, "approve"),
        ("list_issues", {}, {"read repo:o/r"}, "read"),
    ],
)
def test_tools_that_name_a_repository_of_github(tool, given, expected, capability):
    params = {"owner": "o", "repo": "r", **given}
    assert spoken(f"github__{tool}", params) == "github"
    found = reading_of("github", f"github__{tool}", "", params)
    assert expected <= touched(found)
    assert found.capability == capability
