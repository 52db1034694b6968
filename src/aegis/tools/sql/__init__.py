"""SQL text: what every statement in it would do, the strictest first."""

from .reader import TEXT_MAX, read_text

__all__ = ["TEXT_MAX", "read_text"]
