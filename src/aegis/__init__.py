"""Aegis governs AI applications and agents.

    import aegis

    @aegis.guard
    def send_email(to: str, body: str) -> None: ...

Every public name lives here and is loaded when it is first used, so that `import aegis` costs
little and pulls in no server. Where else names can be imported from is in one table:
`surfaces/library/aliases.py`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .surfaces.library.aliases import FINDER, Spelled

if TYPE_CHECKING:
    from .detect import Hit as Hit
    from .detect import Inspection as Inspection
    from .detect import inspect_text as inspect_text
    from .model import Action as Action
    from .model import ActionError as ActionError
    from .model import Actor as Actor
    from .model import AegisError as AegisError
    from .model import Approval as Approval
    from .model import ApprovalDenied as ApprovalDenied
    from .model import ApprovalTimeout as ApprovalTimeout
    from .model import BlockedError as BlockedError
    from .model import CallerError as CallerError
    from .model import ConfigError as ConfigError
    from .model import Decision as Decision
    from .model import Decision as PolicyDecision  # noqa: F401
    from .model import Finding as Finding
    from .model import GuardrailError as GuardrailError
    from .model import HeldError as HeldError
    from .model import KillSwitchError as KillSwitchError
    from .model import LedgerError as LedgerError
    from .model import LimitError as LimitError
    from .model import Outcome as Outcome
    from .model import PluginError as PluginError
    from .model import PolicyError as PolicyError
    from .model import RiskLevel as RiskLevel
    from .model import ServerError as ServerError
    from .model import TicketError as TicketError
    from .model import UpstreamError as UpstreamError
    from .model import Verdict as Verdict
    from .policy import PlanViolation as PlanViolation
    from .policy import Policy as Policy
    from .policy import SemanticEvaluator as SemanticEvaluator
    from .surfaces.library.agents import agent as agent
    from .surfaces.library.agents import create_approval as create_approval
    from .surfaces.library.agents import decide_approval as decide_approval
    from .surfaces.library.agents import kill_agent as kill_agent
    from .surfaces.library.agents import register_agent as register_agent
    from .surfaces.library.agents import revive_agent as revive_agent
    from .surfaces.library.agents import show_audit_log as show_audit_log
    from .surfaces.library.agents import validate_action as validate_action
    from .surfaces.library.agents import wait_for_approval as wait_for_approval
    from .surfaces.library.approvals import ApprovalHandler as ApprovalHandler
    from .surfaces.library.approvals import AutoApprovalHandler as AutoApprovalHandler
    from .surfaces.library.approvals import CallbackApprovalHandler as CallbackApprovalHandler
    from .surfaces.library.approvals import CLIApprovalHandler as CLIApprovalHandler
    from .surfaces.library.context import agent_context as agent_context
    from .surfaces.library.context import carry_context as carry_context
    from .surfaces.library.context import reset_agent_context as reset_agent_context
    from .surfaces.library.context import set_agent_context as set_agent_context
    from .surfaces.library.credentials import credential as credential
    from .surfaces.library.events import MonitorEvent as MonitorEvent
    from .surfaces.library.events import set_monitor_hook as set_monitor_hook
    from .surfaces.library.guard import guard as guard
    from .surfaces.library.monitor import monitor as monitor
    from .surfaces.library.plan import ExecutionPlan as ExecutionPlan
    from .surfaces.library.process import get as get
    from .surfaces.library.process import init as init
    from .surfaces.library.process import shutdown as shutdown
    from .surfaces.library.results import BaseExecutor as BaseExecutor
    from .surfaces.library.results import Result as Result
    from .surfaces.library.results import ResultStatus as ResultStatus
    from .surfaces.library.results import RetryPolicy as RetryPolicy
    from .surfaces.library.results import RuntimeHooks as RuntimeHooks
    from .surfaces.library.runtime import Runtime as Runtime
    from .surfaces.library.tickets import TicketGate as TicketGate
    from .surfaces.library.toolsets import wrap_tools as wrap_tools

_HOMES: dict[str, str] = {
    "aegis.detect": "Hit Inspection inspect_text",
    "aegis.model": "Action ActionError Actor AegisError Approval ApprovalDenied ApprovalTimeout"
    " BlockedError CallerError ConfigError Decision Finding GuardrailError HeldError"
    " KillSwitchError LedgerError LimitError Outcome PluginError PolicyError RiskLevel"
    " ServerError TicketError UpstreamError Verdict",
    "aegis.policy": "PlanViolation Policy SemanticEvaluator",
    "aegis.surfaces.library.agents": "agent create_approval decide_approval kill_agent"
    " register_agent revive_agent show_audit_log validate_action wait_for_approval",
    "aegis.surfaces.library.approvals": "ApprovalHandler AutoApprovalHandler CLIApprovalHandler"
    " CallbackApprovalHandler",
    "aegis.surfaces.library.context": "agent_context carry_context reset_agent_context"
    " set_agent_context",
    "aegis.surfaces.library.credentials": "credential",
    "aegis.surfaces.library.events": "MonitorEvent set_monitor_hook",
    "aegis.surfaces.library.guard": "guard",
    "aegis.surfaces.library.monitor": "monitor",
    "aegis.surfaces.library.plan": "ExecutionPlan",
    "aegis.surfaces.library.process": "get init shutdown",
    "aegis.surfaces.library.results": "BaseExecutor Result ResultStatus RetryPolicy RuntimeHooks",
    "aegis.surfaces.library.runtime": "Runtime",
    "aegis.surfaces.library.tickets": "TicketGate",
    "aegis.surfaces.library.toolsets": "wrap_tools",
}
"""Where each public name lives."""

_TABLE: dict[str, str] = {
    name: f"{home}:{name}" for home, names in _HOMES.items() for name in names.split()
}
_TABLE["PolicyDecision"] = "aegis.model:Decision"

__all__ = sorted(_TABLE)


def __getattr__(name: str) -> Any:
    target = _TABLE.get(name) or Spelled.here(name)
    if target is None:
        raise AttributeError(f"module `aegis` has no attribute `{name}`")
    module, _, attribute = target.partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if FINDER not in sys.meta_path:
    sys.meta_path.append(FINDER)
