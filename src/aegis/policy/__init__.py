"""The policy engine: a document that decides actions.

Matching (`glob.py`, `fold.py`), conditions (`conditions.py`), what a document may say
(`fields.py`) and how a decision comes about (`engine.py`) each have their own file.
"""

from .cases import Case, CaseResult
from .document import Rule
from .lint import lint
from .plan import PlanViolation
from .policy import Policy
from .schema import schema
from .semantic import SemanticEvaluator
from .trace import Explanation, RuleTrace

__all__ = [
    "Case",
    "CaseResult",
    "Explanation",
    "PlanViolation",
    "Policy",
    "Rule",
    "RuleTrace",
    "SemanticEvaluator",
    "lint",
    "schema",
]
