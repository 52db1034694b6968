"""Detection: rules as data, one engine, findings with exact places. Pure and deterministic."""

from .definitions import definition_texts
from .engine import TEXT_MAX, Engine
from .gate import ScanError
from .grid import BLOCK, HOLD, MARGIN
from .hit import Hit
from .inspection import Inspection, inspect_text, shared
from .leak import Leak
from .reader import Reader
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
    "definition_texts",
    "inspect_text",
    "redact",
    "redactor",
    "shared",
]
