"""Detection: rules as data, one engine, findings with exact places. Pure and deterministic."""

from .engine import BLOCK, HOLD, MARGIN, TEXT_MAX, Engine, Reader
from .gate import ScanError
from .hit import Hit
from .inspection import Inspection, inspect_text, shared
from .leak import Leak
from .redact import redact, redactor
from .score import CONFIDENT, SENSITIVITIES
from .stream import Stream

__all__ = [
    "BLOCK",
    "CONFIDENT",
    "HOLD",
    "MARGIN",
    "SENSITIVITIES",
    "TEXT_MAX",
    "Engine",
    "Hit",
    "Inspection",
    "Leak",
    "Reader",
    "ScanError",
    "Stream",
    "inspect_text",
    "redact",
    "redactor",
    "shared",
]
