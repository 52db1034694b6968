"""`aegis policy test` and `aegis policy lint`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations

from ..model import ConfigError
from . import home, output


def run_cases(
    *files: Path, policy: Path | None = None, config: Path | None = None, json: bool = False
) -> int:
    """Run the test cases of a policy. A file may bring its own policy.

    Parameters
    ----------
    files
        files of cases: `cases: [{name, action, expect}]`
    policy
        the policy to test; otherwise the file's own, or the one in force
    config
        the aegis.yaml to use
    json
        print JSON: one object per case
    """
    from ..kernel.config import read, read_text
    from ..policy import cases
    from ..tools.read import as_read

    if not files:
        raise ConfigError("name at least one file of cases")
    given = home.policy_in(policy) if policy else None
    results: list[tuple[Path, cases.CaseResult]] = []
    for file in files:
        text = read_text(file)
        root = read(text, str(file))
        own = isinstance(root.value, dict) and "policy" in root.value
        asked = given or (None if own else home.policy_of(home.loaded(config)))
        results += [(file, result) for result in cases.run(asked, text, str(file), read=as_read)]
    failed = [(file, result) for file, result in results if not result.passed]
    if json:
        output.json(
            [
                {
                    "file": file,
                    "name": result.case.name,
                    "passed": result.passed,
                    "why": result.why,
                    "verdict": result.decision.verdict.word,
                    "rule": result.decision.rule,
                }
                for file, result in results
            ]
        )
    else:
        for file, result in failed:
            output.say(f"{file}: {result.case.name}: {result.why}")
        output.say(f"{len(results) - len(failed)} of {len(results)} cases passed")
    return 1 if failed or not results else 0


def lint(*files: Path, json: bool = False) -> int:
    """Report what a policy probably does not mean, such as rules that can never decide.

    Parameters
    ----------
    files
        policy files, or an aegis.yaml
    json
        print JSON: one object per finding
    """
    from ..policy import lint as findings_of

    if not files:
        raise ConfigError("name at least one policy file")
    findings = [problem for file in files for problem in findings_of(home.policy_in(file))]
    if json:
        output.json([output.problem(finding) for finding in findings])
    else:
        for finding in findings:
            output.say(finding)
        output.note(f"{len(findings)} finding{'s' * (len(findings) != 1)}")
    return 1 if findings else 0
