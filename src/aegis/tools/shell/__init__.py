"""A command line: what every simple command in it would do, the strictest first."""

from .judge import LINE_MAX, read

__all__ = ["LINE_MAX", "read"]
