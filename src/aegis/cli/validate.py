"""`aegis validate`: every problem of configuration and policy files, at its line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..model import ConfigError
from . import output


def validate(*files: Path, json: bool = False) -> int:
    """Check configuration and policy files, the options of guards and other plugins among them.
    Secrets are not resolved and nothing is built: `aegis doctor` tries that.

    Parameters
    ----------
    files
        files to check; without one, the aegis.yaml that would be used
    json
        print JSON: one object per file with its problems
    """
    reports = [_report(path) for path in files or (_nearest(),)]
    if json:
        output.json(reports)
    else:
        for report in reports:
            _print(report)
    return 0 if all(report["ok"] for report in reports) else 1


def _nearest() -> Path:
    from ..kernel import config

    found = config.find(Path.cwd())
    if found is None:
        raise ConfigError(
            "no aegis.yaml here or above; name a file, or write one with `aegis init`"
        )
    return found


def _report(path: Path) -> dict[str, Any]:
    from ..kernel import config
    from ..policy import Policy
    from ..policy.document import read_document

    text = config.read_text(path)
    report: dict[str, Any] = {"file": str(path), "ok": False, "kind": "policy", "problems": []}
    try:
        root = config.filled(text, str(path))
        if config.is_policy(root):
            policy: Policy | None = Policy(*read_document(root, str(path)))
        else:
            report["kind"] = "configuration"
            policy = config.parse(root, str(path), base=path.parent, resolve=False).policy
    except ConfigError as error:
        report["problems"] = [output.problem(problem) for problem in error.problems]
        return report
    report["ok"] = True
    report["policy"] = policy.version if policy is not None else None
    report["rules"] = len(policy.rules) if policy is not None else 0
    return report


def _print(report: dict[str, Any]) -> None:
    if report["ok"]:
        version = f", policy {report['policy']}" if report["policy"] else ""
        rules = report["rules"]
        output.say(
            f"{report['file']}: ok ({report['kind']}, {rules} rule{'s' * (rules != 1)}{version})"
        )
        return
    for problem in report["problems"]:
        output.note(problem["text"])
    count = len(report["problems"])
    output.note(f"{report['file']}: {count} problem{'s' * (count != 1)}")
