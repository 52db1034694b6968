"""What a request asks for: `/NAME/owner/repo.git/...`, where NAME is a configured upstream.

Only the requests of smart HTTP have a route (gitprotocol-http). Names of repositories are plain:
what two servers could read as different paths is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from ....tools.git import FETCH, PUSH
from ..http.wire import BadRequest
from .upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..http.wire import Head

REFS = "info/refs"
"""Where a client asks for the refs, and what else the server can do."""

DEPTH_MAX = 12
"""Most parts of a repository's path: groups in groups of large servers."""

PATH_MAX = 400
"""Longest path of a repository, in characters."""

_PART = re.compile(r"[A-Za-z0-9_~][A-Za-z0-9._~+-]*")
_LFS = "/info/lfs/"


class Route(msgspec.Struct, frozen=True):
    """One request: the upstream, the repository as the client writes it, and the service."""

    upstream: Upstream
    repository: str
    service: str
    refs: bool

    @property
    def target(self) -> str:
        """What policies call the repository: `NAME/owner/repo`."""
        return f"{self.upstream.name}/{self.repository.removesuffix('.git')}"

    @property
    def url(self) -> str:
        """Where the upstream takes this request."""
        base = self.upstream.url(self.repository)
        return f"{base}/{REFS}?service={self.service}" if self.refs else f"{base}/{self.service}"


def route_of(head: Head, upstreams: Mapping[str, Upstream]) -> Route:
    """The route of a request. Raises BadRequest, whose text git shows."""
    path, _, query = head.target.partition("?")
    if _LFS in path:
        raise BadRequest(
            403,
            "Git LFS does not pass this gate: its server hands out addresses with credentials "
            "of their own; push such files as ordinary ones, or outside of this gate",
        )
    name, _, rest = path.removeprefix("/").partition("/")
    upstream = upstreams.get(name)
    if upstream is None:
        known = ", ".join(f"`/{each}/`" for each in sorted(upstreams))
        raise BadRequest(404, f"there is no upstream `{name[:40]}` here; there is {known}")
    for suffix in (REFS, FETCH, PUSH):
        if rest.endswith(f"/{suffix}"):
            repository = _repository(rest[: -len(suffix) - 1])
            return _routed(head, upstream, repository, suffix, query)
    raise BadRequest(403, "this gate speaks Git's smart HTTP only, and files are not served singly")


def _routed(head: Head, upstream: Upstream, repository: str, suffix: str, query: str) -> Route:
    wanted = "GET" if suffix == REFS else "POST"
    if head.method != wanted:
        raise BadRequest(405, f"`{head.method}` is not a method of this path; use {wanted}")
    if suffix != REFS:
        if head.get("content-type") != f"application/x-{suffix}-request":
            raise BadRequest(415, f"a request to `{suffix}` is `application/x-{suffix}-request`")
        return Route(upstream, repository, suffix, refs=False)
    if head.bodied:
        # nobody reads it, and what follows would be taken for a request
        raise BadRequest(400, "a request for refs has no body")
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(pairs) != 1 or pairs[0] not in (("service", FETCH), ("service", PUSH)):
        raise BadRequest(403, "this gate speaks Git's smart HTTP only; git 1.6.6 and later do")
    return Route(upstream, repository, pairs[0][1], refs=True)


def _repository(text: str) -> str:
    parts = text.split("/")
    plain = len(text) <= PATH_MAX and len(parts) <= DEPTH_MAX
    if not plain or not all(_PART.fullmatch(part) and ".." not in part for part in parts):
        raise BadRequest(400, f"`{text[:80]}` is no plain path of a repository")
    return text
