"""audit, why ACTION_ID, evidence export|verify|report, verify, doctor."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from aegis.kernel import config
from aegis.kernel.build import open_runtime
from aegis.model import Action, Actor

AEGIS = "from aegis.cli.main import main; main()"


@pytest.fixture
def recorded(aegis, folder):
    """A ledger with an allowed and a refused action; returns their ids."""
    aegis("init")
    runtime = open_runtime(config.load(env={}, cwd=folder), session="s1")
    try:
        outcomes = [
            runtime.govern(
                Action(type, "crm", params={"n": 1}, actor=Actor(agent="Bot"), protocol=protocol),
                lambda _: "done",
            )
            for type, protocol in (("read", "python"), ("chat", "llm"))
        ]
    finally:
        runtime.close()
    return [outcome.action.id for outcome in outcomes]


class TestAudit:
    def test_a_table_oldest_first(self, aegis, recorded):
        header, *lines = aegis("audit").out.splitlines()
        assert header.split()[:3] == ["time", "kind", "agent"]
        assert [line.split()[1] for line in lines] == ["decision", "outcome"] * 2
        assert "Bot" in lines[0]
        assert "read crm" in lines[0]

    @pytest.mark.parametrize(
        ("filters", "count"),
        [
            (["--type", "read"], 1),
            (["--action-type", "read", "--risk-level", "CRITICAL"], 0),
            (["--kind", "decision"], 2),
            (["--kind", "Decision"], 2),
            (["--agent", "Bot", "--kind", "decision"], 2),
            (["--agent", "nobody"], 0),
            (["--session", "s1"], 4),
            (["--rule", "model_calls"], 1),
            (["--verdict", "allow"], 2),
            (["--status", "performed"], 2),
            (["--since", "1h"], 4),
            (["--until", "2020-01-01"], 0),
            (["--limit", "3"], 3),
            (["--limit", "0"], 4),
        ],
    )
    def test_filters(self, aegis, recorded, filters, count):
        assert len(aegis("audit", *filters, "--format", "json").json) == count

    def test_lines_of_json_are_whole_records(self, aegis, recorded):
        lines = [json.loads(line) for line in aegis("audit", "--format", "jsonl").out.splitlines()]
        assert [line["seq"] for line in lines] == [0, 1, 2, 3]
        assert lines[0]["action"] == recorded[0]
        assert lines[0]["params"] == {"n": 1}
        assert lines[1]["prev"] == lines[0]["hash"]

    def test_into_a_file_only_its_owner_can_read(self, aegis, folder, recorded):
        aegis("audit", "--format", "jsonl", "-o", "out.jsonl")
        file = folder / "out.jsonl"
        assert len(file.read_text().splitlines()) == 4
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        aegis("audit", "-o", "out.txt")
        assert "read crm" in (folder / "out.txt").read_text()

    def test_records_of_several_processes_are_merged_in_order_of_time(self, aegis, folder):
        runtimes = [open_runtime(config.load(env={}, cwd=folder), session=s) for s in "abc"]
        for turn in range(3):
            for runtime in runtimes:
                runtime.govern(Action("read", str(turn)), lambda _: None)
        for runtime in runtimes:
            runtime.close()
        found = aegis("audit", "--kind", "decision", "--format", "json").json
        assert [r["at"] for r in found] == sorted(r["at"] for r in found)
        assert [r["session"] for r in found] == list("abcabcabc")
        last = aegis("audit", "--kind", "decision", "--format", "json", "--limit", "2").json
        assert last == found[-2:]

    def test_tail_goes_on_with_new_records(self, folder, recorded):
        with subprocess.Popen(
            [sys.executable, "-u", "-c", AEGIS, "audit", "--tail", "--format", "jsonl"],
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            first = [json.loads(running.stdout.readline())["seq"] for _ in range(4)]
            runtime = open_runtime(config.load(env={}, cwd=folder), session="later")
            runtime.govern(Action("read", "new"), lambda _: None)
            runtime.close()
            new = json.loads(running.stdout.readline())
            running.send_signal(2)
            assert running.wait(30) == 130
        assert first == [0, 1, 2, 3]
        assert new["target"] == "new"

    def test_what_agents_wrote_cannot_steer_the_terminal(self, aegis, folder):
        runtime = open_runtime(config.load(env={}, cwd=folder))
        runtime.govern(Action("read", "\x1b]0;owned\x07\u202e"), lambda _: None)
        runtime.close()
        for said in (aegis("audit").out, aegis("audit", "--format", "jsonl").out):
            assert "\x1b" not in said
        assert "<U+001B>" in aegis("audit").out

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--since", "never"], "`never` is no time"),
            (["--limit", "-1"], "cannot be negative"),
            (["--verdict", "blocked"], "`--verdict` is one of allow, sanitize, review, block, not"),
            (["--kind", "decisions"], "`--kind` is one of decision, outcome, approval, admin, not"),
            (["--risk", "severe"], "`--risk` is one of low, medium, high, critical, not `severe`"),
            (["--tail", "--format", "json"], "has no end"),
        ],
    )
    def test_what_makes_no_sense(self, aegis, recorded, arguments, said):
        assert said in aegis("audit", *arguments, code=2).err

    def test_before_anything_happened(self, aegis):
        assert "there is no ledger" in aegis("audit", code=2).err


class TestWhy:
    def test_the_record_of_an_action(self, aegis, recorded):
        said = aegis("why", recorded[0]).out
        for part in ("decision", "read crm", "Bot", "allow", "rule     reads", "performed"):
            assert part in said

    def test_as_data(self, aegis, recorded):
        decision, outcome = aegis("why", recorded[0], "--json").json
        assert decision["rule"] == "reads"
        assert outcome["status"] == "performed"

    def test_an_action_that_is_not_there(self, aegis, recorded):
        unknown = "01234567-89ab-7def-8123-456789abcdef"
        assert "aegis audit" in aegis("why", unknown, code=2).err


class TestEvidence:
    def test_what_was_exported_verifies_anywhere(self, aegis, folder, recorded):
        done = aegis("evidence", "export", "--out", "e.txt")
        assert "wrote e.txt: 4 records (full)" in done.out
        assert stat.S_IMODE((folder / "e.txt").stat().st_mode) == 0o600
        moved = folder / "elsewhere"
        moved.mkdir()
        os.rename("e.txt", moved / "e.txt")
        os.rename(".aegis", moved / "gone")
        said = aegis("verify", moved / "e.txt")
        assert "verified: 4 records" in said.out
        assert "WARNING" in said.out
        pinned = aegis("verify", moved / "e.txt", "--key", moved / "gone/ledger.pub")
        assert "WARNING" not in pinned.out
        aegis("evidence", "verify", moved / "e.txt")

    def test_without_a_file_the_configured_ledger_is_verified(self, aegis, recorded, folder):
        assert "verified: 4 records" in aegis("evidence", "verify").out
        (report,) = aegis("verify", "--json").json
        assert report["file"] == str(folder / ".aegis/ledger.db")
        assert "verified" in aegis("verify", "--config", folder / "aegis.yaml").out
        with sqlite3.connect(folder / ".aegis/ledger.db") as ledger:
            ledger.executescript("DROP TRIGGER entry_kept; DELETE FROM entry WHERE seq = 1")
        assert "record-missing: record 1" in aegis("evidence", "verify", code=1).out

    def test_without_a_ledger_it_says_so(self, aegis, folder):
        aegis("init")
        assert "there is no ledger" in aegis("verify", code=2).err

    @pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
    def test_a_changed_byte_is_refused_and_named(self, aegis, folder, recorded, at):
        aegis("evidence", "export", "--out", "e.txt")
        data = bytearray((folder / "e.txt").read_bytes())
        data[int(len(data) * at)] ^= 1
        (folder / "e.txt").write_bytes(data)
        done = aegis("verify", "e.txt", code=1)
        assert "REFUSED" in done.out
        (report,) = aegis("verify", "e.txt", "--json", code=1).json
        assert report["faults"][0]["code"]

    def test_a_cut_tail_is_refused(self, aegis, folder, recorded):
        aegis("evidence", "export", "--out", "e.txt")
        lines = (folder / "e.txt").read_bytes().splitlines(keepends=True)
        (folder / "e.txt").write_bytes(b"".join(lines[:-3]))
        assert "tail-truncated" in aegis("verify", "e.txt", code=1).out

    def test_another_key_is_refused(self, aegis, folder, recorded):
        aegis("evidence", "export", "--out", "e.txt")
        done = aegis("verify", "e.txt", "--fingerprint", "sha256:" + "0" * 64, code=1)
        assert "wrong-key" in done.out
        assert "--key" in aegis("verify", "e.txt", "--key", "nonsense", code=2).err

    def test_one_session(self, aegis, recorded):
        aegis("keys", "create", "--name", "x")
        (exported,) = aegis(
            "evidence", "export", "--out", "s.txt", "--session", "s1", "--json"
        ).json
        assert (exported["scope"], exported["count"]) == ("session", 4)
        aegis("verify", "s.txt")

    def test_nothing_to_export_leaves_no_file(self, aegis, folder, recorded):
        done = aegis("evidence", "export", "--out", "e.txt", "--session", "none", code=1)
        assert "no records" in done.err
        assert not list(folder.glob("*e.txt*"))

    def test_lanes_of_processes_that_ran_together_are_exported_as_one(
        self, aegis, folder, recorded
    ):
        runtime = open_runtime(config.load(env={}, cwd=folder))
        aegis("keys", "create", "--name", "beside")
        try:
            (exported,) = aegis("evidence", "export", "--out", "e.txt", "--json").json
        finally:
            runtime.close()
        assert [lane["count"] for lane in exported["lanes"]] == [4, 1]
        said = aegis("verify", "e.txt").out
        assert "verified: 5 records" in said
        assert "in 2 lanes" in said
        assert "| 1:0 |" in aegis("evidence", "report", "e.txt").out
        told = aegis("verify", ".aegis/ledger.db").out
        assert ".aegis/ledger.1.db:" in told
        text = (folder / "e.txt").read_text()
        second = text.index("\n", text.index(exported["lanes"][1]["origin"] + "\n1\n") - 1) + 1
        (folder / "cut.txt").write_text(text[:second])
        assert "lane-missing" in aegis("verify", "cut.txt", code=1).out

    def test_a_lane_that_disappears_is_missed(self, aegis, folder, recorded):
        runtime = open_runtime(config.load(env={}, cwd=folder))
        aegis("keys", "create", "--name", "beside")
        runtime.close()
        (folder / ".aegis/ledger.1.db").unlink()
        assert "lane-missing" in aegis("verify", ".aegis/ledger.db", code=1).out
        assert "lane-missing" in aegis("doctor", code=1).out
        aegis("evidence", "export", "--out", "e.txt")
        assert "lane-missing" in aegis("verify", "e.txt", code=1).out

    def test_a_ledger_that_disappears_does_not_begin_anew_unseen(self, aegis, folder, recorded):
        (folder / ".aegis/ledger.db").unlink()
        for verb in (["verify"], ["audit"], ["evidence", "export", "--out", "e.txt"], ["doctor"]):
            said = aegis(*verb, code=1)
            assert "there was a ledger" in said.out + said.err
        aegis("keys", "create", "--name", "after")
        for verb in (["verify"], ["verify", ".aegis/ledger.db"], ["doctor"]):
            assert "lane-missing" in aegis(*verb, code=1).out
        aegis("evidence", "export", "--out", "e.txt")
        assert "lane-missing" in aegis("verify", "e.txt", code=1).out

    def test_an_old_export_is_not_replaced_unless_told_to(self, aegis, folder, recorded):
        (folder / "e.txt").write_text("precious")
        assert "`--force`" in aegis("evidence", "export", "--out", "e.txt", code=2).err
        assert (folder / "e.txt").read_text() == "precious"
        aegis("evidence", "export", "--out", "e.txt", "--force")

    def test_a_page_for_people(self, aegis, folder, recorded):
        aegis("evidence", "export", "--out", "e.txt")
        assert aegis("evidence", "report", "e.txt").out.startswith("# Evidence report")
        aegis("evidence", "report", "e.txt", "--out", "r.html")
        assert "<!doctype html>" in (folder / "r.html").read_text()

    def test_the_ledger_itself_verifies_where_it_stands(self, aegis, recorded):
        assert "verified: 4 records" in aegis("verify", ".aegis/ledger.db").out

    @pytest.mark.parametrize("data", [b"", b"nonsense", b"\x00" * 100, b"aegis-bundle/1\n{}\n\n"])
    def test_what_is_no_evidence_is_refused_not_crashed_on(self, aegis, folder, data):
        (folder / "x").write_bytes(data)
        assert "REFUSED" in aegis("verify", "x", code=1).out

    def test_a_folder_is_no_evidence(self, aegis, folder):
        aegis("verify", ".", code=2)


class TestDoctor:
    def checks(self, aegis, code=0):
        return [
            (check["area"], check["status"], check["detail"])
            for check in aegis("doctor", "--json", code=code).json
        ]

    def test_all_is_well(self, aegis, recorded):
        found = self.checks(aegis)
        assert {status for _, status, _ in found} <= {"ok", "warn"}
        areas = [area for area, _, _ in found]
        for area in ("version", "configuration", "policy", "home", "ledger", "clock", "port"):
            assert area in areas
        assert ("guard injection", "ok", "enforcing: block on input and output") in found
        assert any(detail.endswith("4 records verified") for _, _, detail in found)

    def test_installed_loaded_and_enforcing_are_told_apart(self, aegis, folder):
        (folder / "aegis.yaml").write_text(
            "guardrails: { pii: { action: warn }, secrets: { enabled: false },"
            " injection: { action: block } }"
        )
        said = {area: detail for area, _, detail in self.checks(aegis)}
        assert said["guard injection"].startswith("enforcing")
        assert said["guard pii"].startswith("loaded, reports only")
        assert said["guard secrets"] == "configured, switched off"
        assert said["guard toxicity"].startswith("installed")

    def test_keys_that_others_can_read(self, aegis, folder, recorded):
        (folder / ".aegis/ledger.key").chmod(0o644)
        found = self.checks(aegis, code=1)
        assert any(
            area == "home" and status == "fail" and "chmod 600" in detail
            for area, status, detail in found
        )

    def test_a_ledger_that_was_changed(self, aegis, folder, recorded):
        import sqlite3

        with sqlite3.connect(folder / ".aegis/ledger.db") as db:
            triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in triggers.fetchall():
                db.execute(f"DROP TRIGGER {name}")
            db.execute("DELETE FROM entry WHERE seq = 1")
        db.close()
        found = self.checks(aegis, code=1)
        assert any(area == "ledger" and status == "fail" for area, status, _ in found)

    def test_a_configuration_that_does_not_load(self, aegis, folder):
        (folder / "aegis.yaml").write_text("servr: 1")
        assert any("did you mean" in detail for _, _, detail in self.checks(aegis, code=1))

    def test_a_secret_that_is_not_there(self, aegis, folder):
        (folder / "aegis.yaml").write_text(
            "providers: { p: { type: offline, api_key: secret://env/NOT_SET_HERE } }"
        )
        found = self.checks(aegis, code=1)
        assert any(area == "secrets" and status == "fail" for area, status, _ in found)

    def test_a_clock_that_went_backwards(self, aegis, recorded):
        import time_machine

        with time_machine.travel(time.time() - 86400, tick=True):
            found = self.checks(aegis)
        assert any(area == "clock" and status == "warn" for area, status, _ in found)

    def test_a_port_in_use(self, aegis, folder):
        import socket

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            (folder / "aegis.yaml").write_text(f"server: {{ port: {port} }}")
            found = self.checks(aegis)
        assert any(area == "port" and "in use" in detail for area, _, detail in found)
