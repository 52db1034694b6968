"""An HTTP request: its method says what it does, its address whom it asks.

Hosts are compared in their ASCII form in lower case, without a trailing dot. Addresses that are
written as numbers in any of the forms that `inet_aton` takes are read as what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import github_rest
from .address import special
from .names import capability_of
from .reading import DELETE, READ, WRITE, Notes, Reading
from .url import canonical_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ADDRESS_MAX = 8_192
"""Longest address that is read, in characters (the limit servers commonly set)."""

METADATA_HOSTS = frozenset(
    ("metadata.google.internal", "metadata", "metadata.azure.internal", "instance-data")
)
"""Names under which clouds hand out credentials; their addresses stand in `address.SPECIAL`."""


def read(type: str, target: str, params: Mapping[str, Any]) -> Reading:
    """What a request would do; `params` holds `method` and `url` (or `host` and `path`)."""
    notes = Notes()
    method = params.get("method")
    method = method if isinstance(method, str) and method else type.rpartition(".")[2]
    notes.does(capability_of(method))
    url = next(
        (value for key in ("url", "uri", "address") if isinstance(value := params.get(key), str)),
        "",
    )
    host, path = params.get("host"), params.get("path")
    if not url and isinstance(host, str):
        url = f"http://{host}{path if isinstance(path, str) else '/'}"
    note_address(url or target, method, notes, params.get("body"))
    return notes.reading()


def note_address(url: str, method: str, notes: Notes, body: Any = None) -> None:
    """Notes the host, the address and the dangers of one request; `body` where it is known."""
    if len(url) > ADDRESS_MAX:
        notes.doubts("the address is too long")
        return
    if "\0" in url.split("/", 3)[2 if "://" in url else 0] or not url:
        notes.touches("host", "?", "connect")
        notes.doubts("the host is only known when it runs")
        return
    try:
        found = canonical_url(url)
    except ValueError as error:
        notes.doubts(f"the address is not a URL: {error}")
        return
    verb = {READ: READ, DELETE: DELETE}.get(capability_of(method), WRITE)
    notes.touches("host", found.host, verb)
    if found.path.strip("/"):
        notes.touches("url", f"{found.authority}{found.path}".replace("\0", "?"), verb)
    endpoint = github_rest.endpoint_of(found.host, found.path)
    if endpoint:
        github_rest.note_rest(method, endpoint, body, notes)
    if metadata(found.host):
        notes.threatens("metadata-service")
    elif private(found.host) and not loopback(found.host):
        notes.threatens("private-address")


def metadata(host: str) -> bool:
    """Whether a canonical host hands out credentials of a cloud."""
    return host in METADATA_HOSTS or _special(host) == "a metadata service"


def private(host: str) -> bool:
    """Whether a canonical host is inside: no public address, or a local name."""
    if host == "localhost" or host.endswith((".localhost", ".internal", ".local")):
        return True
    return bool(_special(host))


def loopback(host: str) -> bool:
    """Whether a canonical host is this machine."""
    return host == "localhost" or host.endswith(".localhost") or _special(host) == "loopback"


def _special(host: str) -> str:
    try:
        return special(host)
    except ValueError:
        return ""
