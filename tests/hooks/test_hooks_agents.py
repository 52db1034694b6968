"""Hooks of coding agents: real hook processes, the real ledger, the installed settings."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

AEGIS = Path(sys.executable).with_name("aegis")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose hook keeps its socket in the test's folder; ended with the test."""
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    folder = tmp_path / "project"
    folder.mkdir()
    yield folder
    for socket in run.glob("aegis-*/*"):
        socket.unlink()


def aegis(*words, cwd, text=None):
    return subprocess.run(
        [str(AEGIS), *words], cwd=cwd, input=text, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


def install(project, agent="claude", pack="pr-writer"):
    done = aegis("kit", "install", "--agent", agent, "--pack", pack, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def ask(project, tool, given, *, event="PreToolUse", agent="claude", **more):
    body = {"session_id": "s", "cwd": str(project), "hook_event_name": event, "tool_name": tool,
            "tool_input": given, "tool_use_id": "call-1", **more}  # fmt: skip
    config = str(project / ".aegis/kit.yaml")
    done = aegis("hook", "--agent", agent, "--config", config, cwd=project, text=json.dumps(body))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def verdict(answer):
    return "none" if answer is None else answer["hookSpecificOutput"]["permissionDecision"]


def records(project):
    done = aegis("audit", "--config", ".aegis/kit.yaml", "--format", "jsonl", cwd=project)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("inside", "name"),
    [(".aegis", "kit-policy.yaml"), (".aegis", "ledger.key"), (".claude", "settings.json"),
     ("src", "../.claude/settings.json")],
)  # fmt: skip
def test_no_folder_hides_the_agents_own_settings(project, inside, name):
    install(project)
    folder = project / inside
    there = {"cwd": str(folder)}
    write = {"file_path": str(folder / name), "content": "x"}
    assert verdict(ask(project, "Write", write, **there)) == "deny"
    assert verdict(ask(project, "Bash", {"command": f"echo x > {name}"}, **there)) == "deny"


@pytest.mark.parametrize("key", ["directory", "dir_path"])
def test_the_folder_a_gemini_call_names_hides_nothing(project, key):
    install(project, "gemini")
    given = {"command": "echo x > kit-policy.yaml", key: ".aegis"}
    answer = ask(project, "run_shell_command", given, event="BeforeTool", agent="gemini")
    assert answer["decision"] == "deny"


def test_built_in_tools_are_governed_and_recorded(project):
    install(project)
    assert verdict(ask(project, "Bash", {"command": "git status"})) == "none"
    refused = ask(project, "Bash", {"command": "sudo sh -c 'rm -rf /'"})
    assert verdict(refused) == "deny"
    assert "deletes the root" in refused["hookSpecificOutput"]["permissionDecisionReason"]
    inside, hook = str(project / "src/a.py"), str(project / ".claude/settings.json")
    assert verdict(ask(project, "Edit", {"file_path": inside, "old_string": "a"})) == "none"
    assert verdict(ask(project, "Write", {"file_path": hook, "content": "{}"})) == "deny"
    assert verdict(ask(project, "Read", {"file_path": "~/.ssh/id_rsa"})) == "deny"
    assert verdict(ask(project, "WebFetch", {"url": "https://example.com/a"})) == "none"
    assert verdict(ask(project, "mcp__db__drop_table", {"name": "x"})) == "deny"
    kept = [r for r in records(project) if r["kind"] == "decision"]
    assert [r["verdict"] for r in kept[-7:]] == [
        "allow", "block", "allow", "block", "block", "allow", "block"]  # fmt: skip
    assert kept[-6]["labels"] == ["danger:rm-root"]


def test_the_result_of_a_call_is_recorded_and_inspected(project):
    install(project)
    ask(project, "Bash", {"command": "git status"})
    answer = ask(project, "Bash", {"command": "git status"}, event="PostToolUse",
                 tool_response={"stdout": "clean"})  # fmt: skip
    assert answer is None
    last = records(project)[-1]
    assert (last["kind"], last["status"]) == ("outcome", "performed")
    assert last["result"] == {"stdout": "clean"}
    ask(project, "Bash", {"command": "git status"}, event="PostToolUseFailure", error="no repo")
    assert records(project)[-1]["status"] == "failed"


def test_a_person_can_approve_what_waits(project):
    install(project)
    refused = ask(project, "Bash", {"command": "gh pr merge 7"})
    assert verdict(refused) == "deny"
    reason = refused["hookSpecificOutput"]["permissionDecisionReason"]
    id = reason.split("aegis approve ")[1].split("`")[0]
    done = aegis("approve", id, "--config", ".aegis/kit.yaml", cwd=project)
    assert done.returncode == 0, done.stderr
    assert verdict(ask(project, "Bash", {"command": "gh pr merge 7"})) == "none"
    assert verdict(ask(project, "Bash", {"command": "gh pr merge 7"})) == "deny"


def test_gemini_reads_its_own_answers(project):
    install(project, "gemini")
    shell = "run_shell_command"
    asked = {"event": "BeforeTool", "agent": "gemini"}
    assert ask(project, shell, {"command": "ls"}, **asked) is None
    assert ask(project, shell, {"command": "rm -rf ~"}, **asked)["decision"] == "deny"
    assert ask(project, "write_file", {"file_path": "/etc/x"}, **asked)["decision"] == "deny"
    settings = json.loads((project / ".gemini/settings.json").read_text())
    assert settings["hooks"]["BeforeTool"][0]["hooks"][0]["timeout"] == 60_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"hook_event_name": "PreToolUse", "tool_name": "Bash"}', "input of `Bash`"),
        ('{"hook_event_name": "Stop"}', "no event of a tool"),
    ],
)
def test_an_event_that_cannot_be_read_refuses(project, body, said):
    done = aegis("hook", cwd=project, text=body)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_hook_that_cannot_decide_refuses(project):
    (project / "aegis.yaml").write_text("polcy: {}\n")
    body = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "ls"}}
    done = aegis("hook", "--config", "aegis.yaml", cwd=project, text=json.dumps(body))
    assert done.returncode == 2
    assert "nothing runs" in done.stderr
    assert "polcy" in done.stderr


def test_a_changed_policy_is_in_force_at_the_next_call(project):
    install(project)
    assert verdict(ask(project, "Bash", {"command": "make"})) == "none"
    policy = project / ".aegis/kit-policy.yaml"
    policy.write_text("defaults: { verdict: block }\nrules: []\n")
    assert verdict(ask(project, "Bash", {"command": "make"})) == "deny"


def refused(project, command="ls"):
    """What the hook says where it cannot decide."""
    body = {"cwd": str(project), "hook_event_name": "PreToolUse", "tool_name": "Bash",
            "tool_input": {"command": command}}  # fmt: skip
    done = aegis("hook", "--config", str(project / ".aegis/kit.yaml"), cwd=project,
                 text=json.dumps(body))  # fmt: skip
    assert done.returncode == 2, done.stdout
    return done.stderr


def test_a_broken_policy_refuses_until_it_is_mended(project):
    install(project)
    assert verdict(ask(project, "Bash", {"command": "ls"})) == "none"
    policy = project / ".aegis/kit-policy.yaml"
    text = policy.read_text()
    policy.write_text(text.replace("rules:", "ruels:"))
    assert "ruels" in refused(project)
    assert "ruels" in refused(project), "at every call"
    policy.write_text(text)
    assert verdict(ask(project, "Bash", {"command": "ls"})) == "none"
    policy.unlink()
    assert "kit-policy.yaml` is gone" in refused(project)


def test_names_begin_at_the_project_wherever_the_agent_works(project):
    install(project)
    inside = project / "docs/.github/x"
    inside.mkdir(parents=True)
    there = {"cwd": str(inside)}
    ask(project, "Edit", {"file_path": "a.md", "old_string": "x"}, **there)
    ask(project, "Bash", {"command": "touch b.md"}, **there)
    kept = [r for r in records(project) if r["kind"] == "decision"][-2:]
    named = [[each["name"] for each in r["resources"] if each["kind"] == "file"] for r in kept]
    assert named == [["docs/.github/x/a.md"], ["docs/.github/x/b.md"]]
    up = {"command": "echo x > ../../../.aegis/kit-policy.yaml"}
    assert verdict(ask(project, "Bash", up, **there)) == "deny"
    worktree = project / ".claude/worktrees/w1"
    worktree.mkdir(parents=True)
    write = {"file_path": "src/a.py", "content": "x"}
    assert verdict(ask(project, "Write", write, cwd=str(worktree))) == "none"
    up = {"command": "echo x > ../../../.claude/settings.json"}
    assert verdict(ask(project, "Bash", up, cwd=str(worktree))) == "deny"


def test_an_agent_does_not_say_where_its_project_is(project):
    install(project)
    given = {"command": "echo x > kit-policy.yaml", "cwd": "/elsewhere", "project": "/elsewhere"}
    there = {"cwd": str(project / ".aegis")}
    assert verdict(ask(project, "Bash", given, **there)) == "deny"


def test_the_second_answer_is_fast(project):
    install(project)
    ask(project, "Bash", {"command": "ls"})
    before = os.times().children_user + os.times().children_system
    for _ in range(3):
        ask(project, "Bash", {"command": "ls"})
    spent = os.times().children_user + os.times().children_system - before
    assert spent / 3 < 0.3


def test_settings_come_back_as_they_were(project):
    path = project / ".claude/settings.json"
    path.parent.mkdir()
    before = '{"model":"x",\n "hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": []}]}}'
    path.write_text(before)
    install(project)
    install(project, pack="readonly")
    hooks = json.loads(path.read_text())["hooks"]
    assert len(hooks["PreToolUse"]) == 2
    assert len(hooks["PostToolUse"]) == 1
    assert aegis("kit", "remove", cwd=project).returncode == 0
    assert path.read_text() == before
    assert aegis("kit", "remove", cwd=project).returncode == 1


def test_a_file_that_is_no_settings_is_left_alone(project):
    path = project / ".claude/settings.json"
    path.parent.mkdir()
    for text in ("not json", '{"hooks": []}', "[]"):
        path.write_text(text)
        done = aegis("kit", "install", cwd=project)
        assert done.returncode == 2
        assert path.read_text() == text


def test_installing_takes_less_than_a_minute(project):
    start = time.monotonic()
    said = install(project).stdout
    assert time.monotonic() - start < 60
    assert said.count("ok  ") == 3
