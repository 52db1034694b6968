"""Public names, and other spellings of them."""

import importlib
import subprocess
import sys

import pytest

import aegis
from aegis.surfaces.library.aliases import ALIASES

PUBLIC = [
    "Action",
    "ActionError",
    "Actor",
    "AegisError",
    "Approval",
    "ApprovalDenied",
    "ApprovalHandler",
    "ApprovalTimeout",
    "AutoApprovalHandler",
    "BaseExecutor",
    "BlockedError",
    "CLIApprovalHandler",
    "CallbackApprovalHandler",
    "CallerError",
    "ConfigError",
    "Decision",
    "ExecutionPlan",
    "Finding",
    "GuardrailError",
    "HeldError",
    "Hit",
    "Inspection",
    "KillSwitchError",
    "LedgerError",
    "LimitError",
    "MonitorEvent",
    "Outcome",
    "PlanViolation",
    "PluginError",
    "Policy",
    "PolicyDecision",
    "PolicyError",
    "Result",
    "ResultStatus",
    "RetryPolicy",
    "RiskLevel",
    "Runtime",
    "RuntimeHooks",
    "SemanticEvaluator",
    "ServerError",
    "TicketError",
    "TicketGate",
    "UpstreamError",
    "Verdict",
    "agent",
    "agent_context",
    "carry_context",
    "create_approval",
    "credential",
    "decide_approval",
    "get",
    "guard",
    "init",
    "inspect_text",
    "kill_agent",
    "monitor",
    "register_agent",
    "reset_agent_context",
    "revive_agent",
    "set_agent_context",
    "set_monitor_hook",
    "show_audit_log",
    "shutdown",
    "validate_action",
    "wait_for_approval",
    "wrap_tools",
]


def test_the_public_names_are_these():
    assert aegis.__all__ == sorted(PUBLIC)


def test_every_public_name_leads_somewhere():
    for name in aegis.__all__:
        assert getattr(aegis, name) is not None
    assert aegis.PolicyDecision is aegis.Decision


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute `no_such_name`"):
        _ = aegis.no_such_name
    with pytest.raises(ImportError):
        exec("from aegis import no_such_name")


@pytest.mark.parametrize("module", sorted(ALIASES))
def test_every_alias_is_one_of_our_own_things(module):
    spelled = importlib.import_module(module)
    for name, ours in ALIASES[module].items():
        assert getattr(spelled, name) is getattr(aegis, ours)
    assert set(ALIASES[module]) <= set(dir(spelled))
    with pytest.raises(AttributeError, match=f"`{module}` has no attribute `nothing`"):
        _ = spelled.nothing


def test_the_errors_under_their_old_names():
    assert aegis.AegisBlockedError is aegis.BlockedError
    assert aegis.AegisGuardrailError is aegis.GuardrailError
    from sentinel.exceptions import SentinelBlockedError, SentinelKillSwitchError

    assert SentinelBlockedError is aegis.BlockedError
    assert SentinelKillSwitchError is aegis.KillSwitchError


def test_modules_nobody_spelled_stay_unknown():
    for name in ("aegis.core.nothing", "aegis.nothing", "sentinel.nothing"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)


def run(program, **kwargs):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, **kwargs
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_sentinel_wins(tmp_path):
    package = tmp_path / "sentinel"
    package.mkdir()
    (package / "__init__.py").write_text("agent = 'theirs'\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import aegis\n"
        "from sentinel import agent\n"
        "assert agent == 'theirs'\n"
        "try:\n    import sentinel.core\nexcept ModuleNotFoundError:\n    print('theirs alone')\n"
    )
    assert run(program) == "theirs alone\n"


def test_aliases_load_before_any_public_name_is_used():
    assert run("import aegis\nfrom sentinel import monitor\nprint(monitor.__name__)") == "monitor\n"
    program = (
        "import aegis, sys\n"
        "import aegis.adapters.base as base\n"
        "assert 'aegis.surfaces.library.results' not in sys.modules\n"
        "print(base.BaseExecutor.__name__)"
    )
    assert run(program) == "BaseExecutor\n"


def test_importing_opens_nothing(tmp_path):
    program = (
        "import aegis\nfrom aegis import *\n"
        "@agent('A', allows=['x'])\nclass A: pass\n"
        "@monitor\ndef x(): ...\n@guard\ndef y(): ...\n"
        "import os; print(os.listdir())"
    )
    assert run(program, cwd=tmp_path) == "[]\n"
