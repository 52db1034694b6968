"""LLM Guard's input scanners by name, with parameters that exist."""

from __future__ import annotations

import inspect
import logging
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import structlog

if not structlog.is_configured():
    # by itself LLM Guard prints what it finds to the standard output, where commands answer
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

from llm_guard import input_scanners

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES: dict[str, type[Any]] = {
    name: found
    for name, found in vars(input_scanners).items()
    if inspect.isclass(found) and hasattr(found, "scan")
}


def complaint(name: str, parameters: Mapping[str, Any]) -> str:
    """What is wrong with a scanner as it is named; empty where nothing is. Nothing is made."""
    if name not in CLASSES:
        return _unknown(f"there is no scanner `{name}`", name, CLASSES)
    made = inspect.signature(CLASSES[name])
    for key in parameters:
        if key not in made.parameters:
            return _unknown(f"`{name}` has no parameter `{key}`", key, made.parameters)
    try:
        made.bind(**parameters)
    except TypeError as error:
        return f"`{name}`: {error}"
    return ""


def scanner(name: str, parameters: Mapping[str, Any]) -> Any:
    """A scanner. Raises ValueError that names it where LLM Guard does not make it."""
    try:
        return CLASSES[name](**parameters)
    except Exception as error:
        # each scanner raises what its model, its download or its patterns do
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"the scanner `{name}` cannot be made: {said}") from error


def _unknown(wrong: str, name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 1)
    if near:
        return f"{wrong}; did you mean `{near[0]}`?"
    return f"{wrong}; " + (f"known: {', '.join(known)}" if known else "it takes none")
