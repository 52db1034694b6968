"""Other spellings of our names: the one table, and the import hook that serves it.

Programs written against `aegis.core.action`, `aegis.adapters.base` or `sentinel` run unchanged;
the house keeps its own shape. The hook stands last in `sys.meta_path`, so real modules and an
installed distribution named `sentinel` always win.
"""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_ERRORS = {
    "AegisApprovalTimeout": "ApprovalTimeout",
    "AegisAuditError": "LedgerError",
    "AegisBlockedError": "BlockedError",
    "AegisConfigError": "ConfigError",
    "AegisConnectionError": "ServerError",
    "AegisExecutionError": "UpstreamError",
    "AegisGuardrailError": "GuardrailError",
    "AegisPolicyError": "PolicyError",
}
"""The exceptions of the governance library, by our names."""

_SENTINEL_ERRORS = {
    "SentinelBlockedError": "BlockedError",
    "SentinelKillSwitchError": "KillSwitchError",
}
"""The exceptions of the agent firewall, by our names."""


def _same(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


ALIASES: dict[str, dict[str, str]] = {
    "aegis.adapters": {},
    "aegis.adapters.base": _same("BaseExecutor"),
    "aegis.core": {},
    "aegis.core.action": _same("Action"),
    "aegis.core.conditions": _same("SemanticEvaluator"),
    "aegis.core.errors": {**_same("AegisError"), **_ERRORS},
    "aegis.core.exceptions": {**_same("AegisError"), **_ERRORS},
    "aegis.core.plan": _same("ExecutionPlan PlanViolation"),
    "aegis.core.policy": _same("Approval Policy PolicyDecision RiskLevel"),
    "aegis.core.result": _same("Result ResultStatus"),
    "aegis.core.retry": _same("RetryPolicy"),
    "aegis.core.risk": _same("Approval RiskLevel"),
    "aegis.core.semantic": _same("SemanticEvaluator"),
    "aegis.exceptions": {**_same("AegisError"), **_ERRORS},
    "aegis.runtime": {},
    "aegis.runtime.approval": _same(
        "ApprovalHandler AutoApprovalHandler CLIApprovalHandler CallbackApprovalHandler"
    ),
    "aegis.runtime.engine": _same("ExecutionPlan Runtime RuntimeHooks"),
    "aegis.runtime.hooks": _same("RuntimeHooks"),
    "sentinel": {
        **_same(
            "agent agent_context create_approval decide_approval kill_agent monitor"
            " register_agent reset_agent_context revive_agent set_agent_context set_monitor_hook"
            " show_audit_log validate_action wait_for_approval wrap_tools"
        ),
        **_SENTINEL_ERRORS,
    },
    "sentinel.cli": _same("kill_agent revive_agent show_audit_log"),
    "sentinel.context": _same("agent_context reset_agent_context set_agent_context"),
    "sentinel.core": _same(
        "create_approval decide_approval register_agent validate_action wait_for_approval"
    ),
    "sentinel.decorators": _same("agent monitor set_monitor_hook wrap_tools"),
    "sentinel.exceptions": _SENTINEL_ERRORS,
}
"""Module to the names it offers, each with its name in `aegis`."""


class Spelled(ModuleType):
    """A module of the table: its names are those of `aegis`, looked up when they are used."""

    def __getattr__(self, name: str) -> Any:
        ours = ALIASES[self.__name__].get(name)
        if ours is None:
            raise AttributeError(f"module `{self.__name__}` has no attribute `{name}`")
        value = getattr(import_module("aegis"), ours)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ALIASES[self.__name__]})

    @staticmethod
    def here(name: str) -> str | None:
        """Where `aegis.NAME` leads for the names that only `aegis` itself spells otherwise."""
        ours = _ERRORS.get(name)
        return f"aegis.model:{ours}" if ours else None


class _Finder:
    """Finds the modules of the table (importlib's meta path finder and loader protocols)."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in ALIASES:
            return None
        parent = name.rpartition(".")[0]
        if parent and parent != "aegis" and not isinstance(import_module(parent), Spelled):
            return None  # a real package of that name is installed: its submodules are its own
        package = any(other.startswith(f"{name}.") for other in ALIASES)
        return ModuleSpec(name, self, origin="aegis alias table", is_package=package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = Spelled(spec.name, "Another spelling of names in `aegis`.")
        module.__dict__["__all__"] = sorted(ALIASES[spec.name])
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


FINDER: Any = _Finder()
