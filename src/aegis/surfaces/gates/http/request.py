"""One request as the proxy understands it: who asks, what for, and the action that makes it."""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from ....model import Action, Actor, Principal
from ....tools.url import Url, canonical_url
from .body import Body, Unreadable, decoded
from .refusals import Refusal, unknown_key
from .view import HIDDEN, UNREAD
from .wire import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....kernel.keys import Keys
    from .wire import Head

NAME_MAX = 200
"""Longest name of an agent or session, in characters."""

OWN = "x-aegis-"
"""How headers begin that are for the proxy alone."""

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers of one connection, which are not passed on (RFC 9110, 7.6.1)."""

REPLACED = frozenset(
    ("host", "content-length", "content-encoding", "expect", "http2-settings", "accept-encoding")
)
"""Headers of a request that the proxy writes itself."""

PARTIAL = frozenset(("range", "if-range"))
"""Headers that ask for a part of an answer; a secret cut in two would pass, so it comes whole."""

ACCEPTED = ("accept-encoding", "gzip, deflate")
"""The content codings that can be inspected."""

NOBODY = Principal("", kind="anonymous")
"""The caller where no key is asked for."""


class Asked(msgspec.Struct, frozen=True):
    """A request: where it goes, who makes it, its fields for the server, and its body as it came
    (`raw`) and as it is read.
    """

    url: Url
    fields: tuple[Field, ...]
    raw: bytes
    coding: str
    body: Body
    action: Action


def caller(head: Head, keys: Keys, require_key: bool) -> tuple[Principal, str]:
    """Who asks, and the name it gives its agent. Raises Refusal (407, 400)."""
    given = head.every("proxy-authorization")
    if len(given) > 1:
        raise Refusal(400, "the header `proxy-authorization` stands there twice", "invalid_request")
    name, token = _credential(given[0]) if given else ("", "")
    principal = keys.authenticate(token) if token else None
    if principal is None:
        if require_key or token:
            raise unknown_key(bool(given))
        return NOBODY, name
    return principal, name


def _credential(value: str) -> tuple[str, str]:
    """Name and key of a `Basic` (RFC 7617) or `Bearer` (RFC 6750) credential."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return "", rest.strip()
    if scheme.lower() != "basic":
        return "", "?"
    try:
        name, _, token = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", "?"
    return name, token


def actor_of(head: Head, principal: Principal, name: str) -> Actor:
    """Who acts. A key that belongs to an agent speaks for that agent only. Raises Refusal."""
    agent = principal.agent or _named(head.get("x-aegis-agent") or name, "agent")
    session = _named(head.get("x-aegis-session"), "session")
    owner = principal.id or "anonymous"
    # sessions of different keys never share a name; without one, all of an agent is one session
    session = f"{owner}/{session}" if session else f"{owner}/{agent}/http"
    return Actor(principal.id, agent, session, principal.tenant)


def _named(name: str, what: str) -> str:
    if len(name) > NAME_MAX or not name.isascii() or not (name.isprintable() or not name):
        raise Refusal(
            400, f"the {what} has to be at most {NAME_MAX} printable characters", "invalid_request"
        )
    return name


class Within(msgspec.Struct, frozen=True):
    """The opened tunnel a request comes through: where it leads, and who asked for it."""

    url: Url
    actor: Actor


def url_within(head: Head, within: Within) -> Url:
    """Where a request in an opened tunnel goes. Raises Refusal."""
    target, place = head.target, within.url
    try:
        if not target.startswith("/"):
            raise ValueError("in a tunnel, ask for a path")
        url = canonical_url(f"https://{place.host_port}{target}")
        if head.get("host") and canonical_url(f"https://{head.get('host')}").text != (
            canonical_url(f"https://{place.host_port}").text
        ):
            raise ValueError(f"the header `host` names another host than `{place.host}`")
    except ValueError as error:
        raise Refusal(400, f"`{target[:200]}`: {error}", "invalid_request") from None
    return url


def url_of(head: Head) -> Url:
    """Where a request goes: an absolute address, or host and port of `CONNECT`. Raises Refusal."""
    target = head.target
    try:
        if head.method == "CONNECT":
            if not target.rpartition(":")[2].isdigit() or "/" in target or "?" in target:
                raise ValueError("`CONNECT` takes `host:port`")
            url = canonical_url(f"http://{target}")
        elif target.startswith("/") or target == "*":
            raise ValueError(
                "this is a proxy, not the server: set it as `http_proxy` and ask for the whole "
                "address, `http://host/path`"
            )
        elif not target.lower().startswith(("http://", "https://")):
            raise ValueError("only `http` and `https` are spoken here")
        else:
            url = canonical_url(target)
        if url.user:
            raise ValueError("a user in an address is sent to everybody on the way; use a header")
    except ValueError as error:
        raise Refusal(400, f"`{target[:200]}`: {error}", "invalid_request") from None
    return url


def asked(head: Head, url: Url, raw: bytes, actor: Actor, limit: int) -> Asked:
    """The request, ready to be decided. Raises Refusal where its body cannot be read."""
    fields = tuple(forwarded(head.fields, OWN, *REPLACED, *PARTIAL))
    coding = head.get("content-encoding")
    try:
        body = decoded(raw, head.get("content-type"), coding, limit)
    except Unreadable as error:
        message = f"the body cannot be inspected: {error}"
        raise Refusal(415, message, "unsupported_media_type") from None
    params: dict[str, Any] = {"method": head.method, "url": url.text, "headers": shown(fields)}
    secrets = "\n".join(f"{name}: {value}" for name, value in fields if name in UNREAD)
    if secrets:
        # an approval is for this request with these credentials; the record holds neither
        params["credentials"] = sha256(secrets.encode("latin-1")).hexdigest()
    if raw:
        params["content"] = body.told
    if body.value is not None:
        params["body"] = body.value
    action = Action(head.method, url.place, params, protocol="http", actor=actor)
    return Asked(url, fields, raw, coding, body, action)


def forwarded(fields: Iterable[Field], own: str, *dropped: str) -> list[Field]:
    """The fields that go to the other side: none of one connection, none of `dropped`, none whose
    name begins with `own`.
    """
    fields = tuple(fields)
    gone = {
        token.strip().lower()
        for name, value in fields
        if name == "connection"
        for token in value.split(",")
    }
    gone |= HOP_BY_HOP | set(dropped)
    return [
        (name, value) for name, value in fields if name not in gone and not name.startswith(own)
    ]


def shown(fields: Iterable[Field]) -> dict[str, str]:
    """Fields as rules and guards read them: by name, repeated ones joined, credentials hidden."""
    found: dict[str, str] = {}
    for name, value in fields:
        value = HIDDEN if name in UNREAD else value
        found[name] = f"{found[name]}, {value}" if name in found and value != HIDDEN else value
    return found


def changed(fields: Iterable[Field], read: dict[str, str]) -> list[Field]:
    """The fields as they are sent: those that guards changed in what was `shown`, changed."""
    fields = tuple(fields)
    before = shown(fields)
    kept: list[Field] = []
    done: set[str] = set()
    for name, value in fields:
        if read.get(name, before[name]) == before[name]:
            kept.append((name, value))
        elif name not in done:
            done.add(name)
            kept.append((name, _line(read[name])))
    return kept


def _line(value: str) -> str:
    """A changed value as one line of a header."""
    return " ".join(value.encode("latin-1", "replace").decode("latin-1").split())
