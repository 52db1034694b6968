"""GitHub's REST API: what a request would do to repositories, refs, files and people's say.

Paths are those of GitHub's documentation, "REST API endpoints"; the method decides for every one
that has no entry here. A GraphQL mutation is not taken apart: it is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .git_names import note_path, short_ref
from .names import capability_of
from .reading import APPROVE, DELETE, DEPLOY, EXECUTE, READ, UNKNOWN, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .reading import Notes

    Judge = Callable[["_Asked", "re.Match[str]"], None]

HOST, PREFIX = "api.github.com", "/api/v3"
"""Where the API is: at GitHub's own host, and below this path of a GitHub Enterprise Server."""

_REPOSITORY = re.compile(r"/repos/([^/]+/[^/]+)(/.*)?")


class _Asked:
    """One request: its method and what is known of its body."""

    def __init__(self, method: str, body: Any, notes: Notes) -> None:
        self.method = method.upper()
        self.body: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        self.notes = notes

    def said(self, key: str, default: str = "") -> str:
        """A text of the body."""
        value = self.body.get(key)
        return value if isinstance(value, str) and value else default


def endpoint_of(host: str, path: str) -> str:
    """The endpoint that a host and path address; empty for those that are not the API's."""
    if host == HOST:
        return path
    return path[len(PREFIX) :] if path.startswith(PREFIX + "/") else ""


def note_rest(method: str, path: str, body: Any, notes: Notes) -> None:
    """Notes what a request does. `path` begins with `/`, `body` is the JSON where it is known."""
    asked = _Asked(method, body, notes)
    path = unquote(path.partition("?")[0]).rstrip("/")
    if path == "/graphql" and asked.method == "POST":
        _graphql(asked)
        return
    notes.does(capability_of(method))
    repository = _REPOSITORY.fullmatch(path)
    if repository is None:
        return
    verb = {READ: READ, DELETE: DELETE}.get(capability_of(method), WRITE)
    notes.touches("repo", repository[1], verb)
    rest = repository[2] or ""
    if not rest and asked.method == "DELETE":
        notes.threatens("cloud-delete")
    if verb == READ:
        return
    for pattern, judge in _JUDGES:
        found = pattern.fullmatch(rest)
        if found is not None:
            judge(asked, found)
            return


def _graphql(asked: _Asked) -> None:
    query = asked.said("query")
    if query and "mutation" not in query:
        asked.notes.does(READ)
        return
    asked.notes.does(WRITE)
    asked.notes.doubts("what a GraphQL mutation does is not read")


def _refs(asked: _Asked, found: re.Match[str]) -> None:
    """git/refs: made by its body, moved or deleted by its path."""
    name = short_ref((found[1] or "").strip("/") or asked.said("ref", UNKNOWN))
    if asked.method == "DELETE":
        asked.notes.touches("ref", name, DELETE)
        asked.notes.threatens("ref-delete")
        return
    asked.notes.touches("ref", name, WRITE)
    if asked.body.get("force") not in (None, False):
        asked.notes.does(DELETE)
        asked.notes.threatens("force-push")


def _contents(asked: _Asked, found: re.Match[str]) -> None:
    """A file is committed to a branch, the default one where none is named."""
    asked.notes.touches("ref", short_ref(asked.said("branch", UNKNOWN)), WRITE)
    note_path(found[1], asked.notes, DELETE if asked.method == "DELETE" else WRITE)


def _merged(asked: _Asked, found: re.Match[str]) -> None:
    """Into a branch that the body names, or the pull request."""
    del found
    asked.notes.does(APPROVE)
    asked.notes.touches("ref", short_ref(asked.said("base", UNKNOWN)), WRITE)


def _reviewed(asked: _Asked, found: re.Match[str]) -> None:
    del found
    if asked.said("event").upper() != "COMMENT":
        asked.notes.does(APPROVE)


def _protection(asked: _Asked, found: re.Match[str]) -> None:
    asked.notes.touches("ref", found[1] or UNKNOWN, WRITE)
    asked.notes.threatens("protection-off")


def _renamed(asked: _Asked, found: re.Match[str]) -> None:
    for name in (found[1], asked.said("new_name", UNKNOWN)):
        asked.notes.touches("ref", name, WRITE)
    asked.notes.threatens("ref-delete")


def _runs(asked: _Asked, found: re.Match[str]) -> None:
    """Workflows, and what they run with."""
    del found
    asked.notes.does(EXECUTE)


def _people(asked: _Asked, found: re.Match[str]) -> None:
    """Who may do what: people, keys, hooks that hand events to others."""
    del found
    asked.notes.does(APPROVE)
    asked.notes.threatens("accounts")


def _published(asked: _Asked, found: re.Match[str]) -> None:
    del found
    asked.notes.does(DEPLOY)


_JUDGES: tuple[tuple[re.Pattern[str], Judge], ...] = tuple(
    (re.compile(pattern), judge)
    for pattern, judge in (
        (r"/git/refs(/.+)?", _refs),
        (r"/contents/(.+)", _contents),
        (r"/pulls/\d+/merge|/merges|/merge-upstream|/pulls/\d+/update-branch", _merged),
        (r"/pulls/\d+/reviews(?:/.*)?", _reviewed),
        (r"/branches/(.+)/protection(?:/.*)?", _protection),
        (r"/(?:rulesets|tags/protection)()(?:/.*)?", _protection),
        (r"/branches/(.+)/rename", _renamed),
        (r"/actions/.*|/dispatches|/dependabot/secrets/.*|/environments/.*", _runs),
        (r"/(?:collaborators|keys|hooks|invitations|transfer|autolinks)(?:/.*)?", _people),
        (r"/(?:releases|deployments|pages)(?:/.*)?", _published),
    )
)
"""What stands behind the repository in a path, and what a request to it does that is no read."""
