"""`aegis version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from . import output

DISTRIBUTION = "aegis-govern"


def installed(name: str = DISTRIBUTION) -> str:
    """The installed version of a distribution; `unknown` where it runs from a bare tree."""
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "unknown"


def version(*, json: bool = False) -> int:
    """Print the version.

    Parameters
    ----------
    json
        print JSON, with the versions Aegis runs on
    """
    if json:
        output.json({"aegis": installed(), "python": platform.python_version()})
    else:
        output.say(f"aegis {installed()}")
    return 0
