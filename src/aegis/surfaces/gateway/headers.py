"""Request headers as they are understood, response headers as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import uuid_utils

from .errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...model import Outcome, Verdict

    Headers = Mapping[bytes, bytes]
    Pair = tuple[bytes, bytes]
    Pairs = list[Pair]

NAME_MAX = 200
"""Longest agent or session name and request id, in bytes."""

SSE = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
"""What a stream says so that no proxy holds it back."""

_VERDICTS = (b"allow", b"sanitize", b"review", b"block")


class Fields(dict[bytes, bytes]):
    """The header fields of a request, by lower-case name. A head that came before brings the same
    object again, with what was made of it.
    """

    __slots__ = ("asked", "token")

    asked: Asked | None
    token: str | None

    def __init__(self, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(fields)
        self.asked = None
        self.token = None


class Asked(NamedTuple):
    """What the header of a request for a model asks: for which agent and session, under which
    request id (empty where the client brings none).
    """

    agent: str
    session: str
    request_id: bytes


def asked(fields: Fields) -> Asked:
    """What a header asks. Raises Failure where the body cannot be read or a name is unusable."""
    known = fields.asked
    if known is None:
        check_encoding(fields)
        if not is_json(fields):
            raise Failure(415, "send the body as `application/json`", "unsupported_media_type")
        agent, session = text(fields, b"x-aegis-agent"), text(fields, b"x-aegis-session")
        known = fields.asked = Asked(agent, session, request_id(fields))
    return known


def new_id() -> str:
    """An action id: UUIDv7 (RFC 9562)."""
    return str(uuid_utils.uuid7())


def is_json(headers: Headers) -> bool:
    """Whether the body is declared as JSON, or not declared at all."""
    kind = headers.get(b"content-type", b"application/json")
    if kind == b"application/json":
        return True
    kind = kind.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )


def check_encoding(headers: Headers) -> None:
    """Refuse a compressed body: its size could not be bounded before it is read. Raises Failure."""
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        shown = printable(encoding[:40].decode("latin-1")).decode()
        raise Failure(
            415,
            f"bodies are taken as they are; send it without `content-encoding: {shown}`",
            "unsupported_media_type",
            headers=((b"accept-encoding", b"identity"),),  # RFC 9110, 12.5.3
        )


def token(fields: Fields) -> str:
    """The credential of a request: a bearer token, or `x-api-key`; empty where there is none."""
    known = fields.token
    if known is None:
        value = fields.get(b"authorization")
        if value is None:
            known = fields.get(b"x-api-key", b"").decode("latin-1")
        else:
            scheme, _, rest = value.partition(b" ")
            known = rest.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
        fields.token = known
    return known


def text(headers: Headers, name: bytes) -> str:
    """A name given in a header; empty where there is none. Raises Failure for an unusable one."""
    value = headers.get(name)
    if value is None:
        return ""
    try:
        found = value.decode("ascii")
    except UnicodeDecodeError:
        found = "\n"
    if len(found) > NAME_MAX or not found.isprintable():
        shown = name.decode("latin-1")
        raise Failure(
            400,
            f"the header `{shown}` has to be at most {NAME_MAX} printable ASCII characters",
            "invalid_header",
        )
    return found


def request_id(headers: Headers) -> bytes:
    """The client's own request id where it is sane; else empty."""
    value = headers.get(b"x-request-id", b"")
    if 0 < len(value) <= NAME_MAX and value.isascii() and value.decode().isprintable():
        return value
    return b""


def rate(left: tuple[Any, int, Any, int]) -> Pairs:
    """The `x-ratelimit-*` headers; none where there is no limit."""
    requests, request_limit, tokens, token_limit = left
    pairs: Pairs = []
    if requests is not None:
        pairs.append((b"x-ratelimit-limit-requests", b"%d" % request_limit))
        pairs.append((b"x-ratelimit-remaining-requests", b"%d" % requests.remaining))
        pairs.append((b"x-ratelimit-reset-requests", b"%.3fs" % requests.reset))
    if tokens is not None:
        pairs.append((b"x-ratelimit-limit-tokens", b"%d" % token_limit))
        pairs.append((b"x-ratelimit-remaining-tokens", b"%d" % tokens.remaining))
        pairs.append((b"x-ratelimit-reset-tokens", b"%.3fs" % tokens.reset))
    return pairs


def decided(outcome: Outcome) -> Pairs:
    """What was decided, by which rule of which policy, and where it is recorded."""
    decision = outcome.decision
    key = decision.verdict, decision.rule, decision.policy
    pairs = _said.get(key)
    if pairs is None:
        pairs = (
            (b"x-aegis-verdict", _VERDICTS[decision.verdict]),
            (b"x-aegis-rule", printable(decision.rule)),
            (b"x-aegis-policy", printable(decision.policy)),
        )
        if len(_said) >= SAID_MAX:
            _said.clear()
        _said[key] = pairs
    if outcome.receipt is None:
        return [*pairs]
    return [*pairs, (b"x-aegis-record", b"%d" % outcome.receipt.seq)]


SAID_MAX = 512
"""Decisions whose headers are remembered; policies have fewer rules than that, mostly."""

_said: dict[tuple[Verdict, str, str], tuple[Pair, ...]] = {}


def printable(value: str) -> bytes:
    """A value as a header can hold it: other than printable ASCII is percent-encoded."""
    if value.isascii() and value.isprintable():
        return value.encode()
    return quote(value, safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}").encode()
