"""An agent that writes pull requests through a stand-in of GitHub's MCP server."""

import json

import pytest

from aegis.policy.packs import text

SCHEMAS = {
    "create_or_update_file": ("owner", "repo", "path", "content", "message", "branch"),
    "push_files": ("owner", "repo", "branch", "files", "message"),
    "create_pull_request": ("owner", "repo", "title", "head", "base"),
    "merge_pull_request": ("owner", "repo", "pullNumber"),
    "get_file_contents": ("owner", "repo", "path"),
    "delete_file": ("owner", "repo", "path", "message", "branch"),
}
SHOP = {"owner": "acme", "repo": "shop"}
BRANCH = {**SHOP, "branch": "fix/typo"}
CI = ".github/workflows/ci.yml"


def github(place, more="", upstream="    catalogue: github\n"):
    """GitHub's tools by their real names, under the pack pr-writer."""
    place.define(
        [
            {
                "name": name,
                "description": "A tool.",
                "inputSchema": {"type": "object", "properties": {each: {} for each in arguments}},
            }
            for name, arguments in SCHEMAS.items()
        ]
    )
    (place.folder / "policy.yaml").write_text(text("pr-writer"))
    policy = "policy: { path: policy.yaml }\napprovals: { wait_seconds: 0 }\n"
    place.configure(policy, more, upstream)


def test_a_change_is_proposed_and_nothing_more(place, connect):
    github(place)
    client = connect()
    file = {"path": "src/a.py", "content": "x = 1\n", "message": "Fix it"}
    files = [{"path": "src/a.py", "content": "x"}]
    assert "result" in client.call("get_file_contents", **SHOP, path="README.md")
    assert "result" in client.call("create_or_update_file", **BRANCH, **file)
    assert "result" in client.call("push_files", **BRANCH, files=files, message="Fix it")
    proposal = {"title": "Fix it", "head": "fix/typo", "base": "main"}
    assert "result" in client.call("create_pull_request", **SHOP, **proposal)
    done = len(place.calls())
    for name, arguments in (
        ("create_or_update_file", {**BRANCH, **file, "branch": "main"}),
        ("create_or_update_file", {**BRANCH, **file, "path": CI}),
        ("push_files", {**BRANCH, "files": [*files, {"path": CI, "content": "x"}]}),
        ("push_files", {**BRANCH, "files": json.dumps([{"path": CI, "content": "x"}])}),
        ("merge_pull_request", {**SHOP, "pullNumber": 7}),
        ("delete_file", {**BRANCH, "path": "src/a.py", "message": "Out"}),
    ):
        assert client.call(name, **arguments)["error"]["code"] == 40901, (name, arguments)
    assert len(place.calls()) == done
    decided = place.records("--kind", "approval")
    assert {one["rule"] for one in decided} >= {"protected-branches", "other-dangers", "servers"}


@pytest.mark.parametrize("arguments", [{"path": CI}, {"files": [{"path": CI}]}])
def test_a_pipeline_is_a_resource_of_its_own(place, connect, arguments):
    github(place)
    rule = "  - { name: no_ci, when: { resource: 'write ci:**' }, verdict: block }\n"
    (place.folder / "policy.yaml").write_text(
        'version: "1"\ndefaults: { verdict: allow }\nrules:\n' + rule
    )
    client = connect()
    name = "push_files" if "files" in arguments else "create_or_update_file"
    refused = client.call(name, **BRANCH, **arguments)["error"]
    assert refused["data"]["rule"] == "no_ci"
    decision = place.records("--kind", "decision")[0]
    assert {"kind": "ci", "name": CI, "verb": "write"} in decision["resources"]
    assert {"kind": "repo", "name": "acme/shop", "verb": "write"} in decision["resources"]
    assert {"kind": "ref", "name": "fix/typo", "verb": "write"} in decision["resources"]
    assert "described:catalogue/github" in decision["labels"]
    assert "catalogue/github" in place.aegis("why", decision["action"], "--config", place.config)
    assert place.calls() == []


def test_a_server_that_only_says_it_is_github_gains_nothing(place, connect):
    github(place, upstream="    env: { CALLED: github-mcp-server }\n")
    client = connect()
    held = client.call("create_or_update_file", **BRANCH, path="src/a.py", content="x")["error"]
    assert held["code"] == 40901
    assert place.calls() == []
    shown = json.loads(place.aegis("mcp", "tools", "--config", place.config, "--json"))
    said = {row["tool"]: row for row in shown}
    # what it says of itself makes a call stricter
    assert said["notes__merge_pull_request"]["capability"] == "approve"
    assert said["notes__merge_pull_request"]["said_by"] == "claimed/github"


def test_the_operator_goes_before_the_catalogue(place):
    github(
        place,
        upstream="    catalogue: github\n    tools:\n"
        "      get_file_contents: { capability: write, resources: { owner: account } }\n",
    )
    shown = json.loads(place.aegis("mcp", "tools", "notes", "--config", place.config, "--json"))
    said = {row["tool"]: row for row in shown}
    own = said["notes__get_file_contents"]
    assert (own["capability"], own["touches"], own["said_by"]) == (
        "write",
        {"owner": "account"},
        "configuration",
    )
    assert said["notes__push_files"]["touches"] == {
        "repo": "repo",
        "branch": "ref",
        "files.path": "file",
    }
