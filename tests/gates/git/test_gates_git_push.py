"""Pushes through the Git gate: real clients, a real server, the policy pack `git-protect`."""

import re
import threading

import pytest

from aegis.policy import packs

from .conftest import AEGIS, CLEAN, World, run
from .git_server import TOKEN
from .hand_made import CAPABILITIES, PUSH, ZERO, asked, pack, pkt, request

SECRET = "AKIA" + "IOSFODNN7" + "EXAMPLQ"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("gate"), packs.text("git-protect"))
    yield world
    world.stop()


@pytest.fixture
def world(shared, tmp_path):
    """The shared world, with a clone of this test's own."""
    shared.work = shared.clone(work=tmp_path / "work")
    return shared


def branch(world, name, files, start="origin/main"):
    """A commit on a new branch; its object."""
    run("git", "checkout", "-q", "-b", name, start, cwd=world.work)
    return world.commit(files, f"on {name}")


def decided(world):
    """The last push that was decided, and what became of it."""
    return world.records()[-1]


def touched(record):
    return {f"{r['verb']} {r['kind']}:{r['name']}" for r in record["resources"]}


def test_a_branch_of_its_own_is_made_and_goes_on(world):
    first = branch(world, "fix/a", {"src/b.py": "b = 1\n"})
    world.push("origin", "fix/a", ok=True)
    assert world.tips()["refs/heads/fix/a"] == first
    fetched = len(world.records("git.fetch"))
    second = world.commit({"src/a.py": None})
    done = world.push("origin", "fix/a", ok=True)
    # what the server took is known here, and not fetched again
    assert len(world.records("git.fetch")) == fetched
    assert world.tips()["refs/heads/fix/a"] == second
    assert f"{first[:7]}..{second[:7]}" in done.stderr
    decision, outcome = decided(world)
    assert (decision["rule"], outcome["status"]) == ("pushing", "performed")
    assert touched(decision) == {
        "write repo:up/acme/site", "write ref:fix/a", "delete file:src/a.py"
    }  # fmt: skip
    assert decision["params"]["updates"][0]["change"] == "update"


def test_a_protected_branch_waits_for_a_person_once(world):
    new = world.commit({"README": "more\n"})
    before = world.tips()["refs/heads/main"]
    refused = world.push("origin", "main")
    assert refused.returncode == 1
    assert world.tips()["refs/heads/main"] == before
    id = re.search(r"needs approval (ap_\w+)", refused.stderr)[1]
    assert f"! [remote rejected] main -> main (needs approval {id})" in refused.stderr
    assert "rule `protected-branches`" in refused.stderr
    world.approve(id)
    world.push("origin", "main", ok=True)
    assert world.tips()["refs/heads/main"] == new
    world.commit({"README": "and more\n"})
    assert "needs approval" in world.push("origin", "main").stderr


def test_replaced_history_is_seen_whatever_the_client_says(world):
    branch(world, "fix/force", {"a": "1\n"})
    world.push("origin", "fix/force", ok=True)
    world.commit({"a": "2\n"})
    # forced, and yet only going on
    world.push("--force", "origin", "fix/force", ok=True)
    before = world.tips()["refs/heads/fix/force"]
    run("git", "commit", "-q", "--amend", "-m", "other", cwd=world.work)
    done = world.push("--force", "origin", "fix/force")
    assert "needs approval" in done.stderr
    assert world.tips()["refs/heads/fix/force"] == before
    decision, _ = decided(world)
    assert (decision["rule"], decision["capability"]) == ("history", "delete")
    assert decision["params"]["updates"][0]["change"] == "force"
    assert "danger:force-push" in decision["labels"]


def test_the_history_of_a_protected_branch_is_never_replaced(world):
    before = world.tips()["refs/heads/main"]
    run("git", "commit", "-q", "--amend", "-m", "other", cwd=world.work)
    done = world.push("--force", "origin", "main")
    assert "! [remote rejected] main -> main (refused by rule protected-history)" in done.stderr
    assert "merge or revert instead" in done.stderr
    assert world.push("origin", ":main").returncode == 1
    assert world.tips()["refs/heads/main"] == before


def test_a_deleted_branch_waits_for_a_person(world):
    branch(world, "fix/gone", {"a": "1\n"})
    world.push("origin", "fix/gone", ok=True)
    done = world.push("origin", ":fix/gone")
    id = re.search(r"ap_\w+", done.stderr)[0]
    world.approve(id)
    world.push("origin", ":fix/gone", ok=True)
    assert "refs/heads/fix/gone" not in world.tips()


def test_a_tag_that_moves_moves_by_force(world):
    run("git", "tag", "v1", "main", cwd=world.bare)
    world.commit({"a": "1\n"})
    run("git", "tag", "-f", "v1", cwd=world.work)
    done = world.push("--force", "origin", "v1")
    assert "refused by rule protected-history" in done.stderr
    run("git", "tag", "-a", "-m", "two", "v2", cwd=world.work)
    assert "needs approval" in world.push("origin", "v2").stderr


def test_one_refused_ref_keeps_the_whole_push_back(world):
    branch(world, "fix/many", {"a": "1\n"})
    run("git", "branch", "-f", "main", "fix/many", cwd=world.work)
    for options in (("--atomic",), ()):
        done = world.push(*options, "origin", "fix/many", "main")
        assert done.returncode == 1
        assert "no ref was updated" in done.stderr
        assert "refs/heads/fix/many" not in world.tips()
    assert decided(world)[0]["params"]["atomic"] is False


def test_a_secret_is_found_also_where_a_later_commit_takes_it_out(world):
    branch(world, "fix/secret", {"config.py": f'KEY = "{SECRET}"\n'})
    world.commit({"config.py": None})
    done = world.push("origin", "fix/secret")
    assert "refused by rule secrets" in done.stderr
    assert "refs/heads/fix/secret" not in world.tips()
    decision, _ = decided(world)
    assert [f["category"] for f in decision["findings"]].count("secret") >= 1
    assert SECRET not in str(world.records())


@pytest.mark.parametrize("message", [f"use {SECRET}", "plain"])
def test_messages_are_read_too(world, message):
    name = f"fix/message-{len(message)}"
    run("git", "checkout", "-q", "-b", name, cwd=world.work)
    world.commit({}, message)
    refused = "refused by rule secrets" in world.push("origin", name).stderr
    assert refused is (SECRET in message)


def test_files_of_pipelines_are_resources_of_their_own(world):
    branch(world, "fix/ci", {".github/workflows/x.yml": "on: push\n", "a": "1\n"})
    done = world.push("origin", "fix/ci")
    assert "rule `pipelines`" in done.stderr
    assert "write ci:.github/workflows/x.yml" in touched(decided(world)[0])


def test_what_others_only_proposed_is_new_all_the_same(world):
    """A commit that lies on the server below `refs/pull` has not been looked at by anybody."""
    tip = branch(world, "fix/fork", {"Jenkinsfile": "sh 'x'\n"})
    run("git", "push", "-q", world.bare, "HEAD:refs/pull/7/head", cwd=world.work)
    done = world.push("origin", f"{tip}:refs/heads/fix/fork")
    assert "rule `pipelines`" in done.stderr


def test_no_old_object_that_a_client_claims_makes_a_proposal_known(world):
    """The upstream turns the second update down, and takes the first one."""
    tip = branch(world, "fix/claim", {"Jenkinsfile": "sh 'x'\n"})
    run("git", "push", "-q", world.bare, "HEAD:refs/pull/8/head", cwd=world.work)
    words = ("git", "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "next")
    further = run(*words, cwd=world.work).stdout.strip()
    data = run("git", "cat-file", "commit", further, cwd=world.work).stdout.encode()
    rows = (f"{ZERO} {tip} refs/heads/fix/claimed\0{CAPABILITIES}",
            f"{tip} {further} refs/heads/fix/decoy")  # fmt: skip
    body = b"".join(map(pkt, rows)) + b"0000" + pack((1, data))
    said = asked(world, "POST", PUSH, body)[2]
    assert "rule `pipelines`" in said, said
    assert "refs/heads/fix/claimed" not in world.tips()


def test_a_proposal_is_read_although_the_upstream_has_it(world):
    tip = branch(world, "fix/leak", {"key.txt": f"aws = {SECRET}\n"})
    run("git", "push", "-q", world.bare, "HEAD:refs/pull/9/head", cwd=world.work)
    said = asked(world, "POST", PUSH, request("refs/heads/fix/leaked", tip, pack()))[2]
    assert "rule `secrets`" in said, said
    assert "refs/heads/fix/leaked" not in world.tips()


def test_a_merge_of_many_parents_names_what_each_brought(world):
    for name in "abc":
        branch(world, f"fix/side-{name}", {f"{name}.txt": "1\n"})
    run("git", "checkout", "-q", "-b", "fix/octopus", "origin/main", cwd=world.work)
    sides = [f"fix/side-{name}" for name in "abc"]
    run("git", "merge", "-q", "-m", "all", *sides, cwd=world.work)
    world.push("origin", "fix/octopus", ok=True)
    decision, _ = decided(world)
    assert decision["params"]["commits"] == 4
    assert {"write file:a.txt", "write file:b.txt", "write file:c.txt"} <= touched(decision)


def test_what_a_merge_itself_changes_is_seen(world):
    branch(world, "fix/left", {"a.txt": "1\n"})
    branch(world, "fix/evil", {"b.txt": "1\n"})
    run("git", "merge", "-q", "--no-commit", "fix/left", cwd=world.work)
    world.commit({"CODEOWNERS": "* @me\n"})
    assert "rule `pipelines`" in world.push("origin", "fix/evil").stderr


def test_a_shallow_clone_pushes(world, tmp_path):
    work = world.clone("--depth", "1", "--no-single-branch", work=tmp_path / "shallow")
    run("git", "checkout", "-q", "-b", "fix/shallow", cwd=work)
    tip = world.commit({"a": "1\n"}, work=work)
    world.push("origin", "fix/shallow", work=work, ok=True)
    assert world.tips()["refs/heads/fix/shallow"] == tip


def test_a_partial_clone_fetches_and_pushes(world, tmp_path):
    work = world.clone("--filter=blob:none", "--no-checkout", work=tmp_path / "partial")
    run("git", "checkout", "-q", "-b", "fix/partial", "origin/main", cwd=work)
    assert (work / "README").exists()
    world.commit({"c": "1\n"}, work=work)
    world.push("origin", "fix/partial", work=work, ok=True)


def test_a_large_push_in_chunks_is_taken_and_sent_as_it_came(world):
    noise = bytes((n * n * 7 + n // 3) % 251 + 1 for n in range(60_000))
    tip = branch(world, "fix/large", {f"{n}.bin": b"\0" + noise[n:] for n in range(20)})
    run("git", "config", "http.postBuffer", "1024", cwd=world.work)
    world.push("origin", "fix/large", ok=True)
    assert world.tips()["refs/heads/fix/large"] == tip
    assert decided(world)[0]["params"]["binaries"] == 20
    run("git", "fsck", "--strict", cwd=world.bare)


def test_two_pushes_at_once_and_one_of_them_wins(world, tmp_path):
    other = world.clone(work=tmp_path / "other")
    branch(world, "fix/race", {"a": "1\n"})
    run("git", "checkout", "-q", "-b", "fix/race", cwd=other)
    world.commit({"a": "2\n"}, work=other)
    done = []
    threads = [
        threading.Thread(target=lambda w=w: done.append(world.push("origin", "fix/race", work=w)))
        for w in (world.work, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(one.returncode for one in done) == [0, 1]
    assert "fix/race" in next(one.stderr for one in done if one.returncode)


def test_push_options_are_params_and_pass(world):
    branch(world, "fix/options", {"a": "1\n"})
    world.push("-o", "ci.skip", "origin", "fix/options", ok=True)
    assert decided(world)[0]["params"]["push_options"] == ["ci.skip"]


def test_no_client_sees_the_credential_of_the_upstream(world):
    branch(world, "fix/seen", {"a": "1\n"})
    done = world.push("origin", "fix/seen", GIT_CURL_VERBOSE="1", GIT_TRACE_CURL="1")
    assert done.returncode == 0
    assert TOKEN not in done.stderr + done.stdout
    assert world.key not in str([fields for _, _, fields in world.server.seen])


@pytest.mark.parametrize("key", ["sk-aegis-" + "x" * 43, "nothing"])
def test_an_unknown_key_comes_no_further(world, key):
    before = len(world.server.seen)
    done = run("git", "ls-remote", world.url(key), cwd=world.folder, ok=False)
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr
    assert len(world.server.seen) == before


def test_a_fetch_is_an_action(world):
    run("git", "fetch", "-q", "origin", cwd=world.work)
    decision, outcome = world.records("git.refs")[-1]
    assert (decision["capability"], decision["rule"]) == ("read", "reading")
    assert touched(decision) == {"read repo:up/acme/site"}
    assert outcome["status"] == "performed"


def test_what_the_policy_reads_is_what_why_explains(world):
    branch(world, "fix/why", {"a": "1\n"})
    world.push("origin", "fix/why", ok=True)
    said = run(AEGIS, "why", decided(world)[0]["action"], cwd=world.folder, **CLEAN).stdout
    assert "pushing" in said
    assert "fix/why" in said
