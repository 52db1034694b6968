"""The page behind a signed link: what would happen, and a form with two buttons.

Plain HTML without scripts. Every word on it that came from an agent is escaped and shown with its
hidden characters spelled out.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from ...approval import PENDING
from ...model import CallerError, joined, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...approval import Request
    from ...kernel.links import Ticket

HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        b"frame-ancestors 'none'; base-uri 'none'",
    ),
)
"""Nobody frames the page, keeps it, or learns its address; nothing on it runs."""

PARAMS_MAX = 4_000
"""Characters of an action's parameters that the page shows."""

FIELDS_MAX = 8
"""Most fields of the form: ours has three."""

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}"
    "dt{font-weight:600}dd{margin:0 0 .6rem;overflow-wrap:anywhere}pre{white-space:pre-wrap}"
    "button{font:inherit;padding:.4rem 1.2rem;margin-right:1rem}"
    "input{font:inherit;width:100%;margin-bottom:1rem}"
)


class Filled(msgspec.Struct, frozen=True):
    """The form as somebody sent it."""

    approve: bool
    comment: str = ""
    key: str = ""


def read_form(body: bytes) -> Filled:
    """The fields of a sent form. Raises CallerError for anything but exactly one answer."""
    try:
        fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise CallerError("the form could not be read; open the link again") from None
    answer = fields.get("answer", [])
    if answer not in (["approve"], ["deny"]):
        raise CallerError("the form holds no answer; press one of its two buttons")
    comment, key = (fields.get(name, [""])[0] for name in ("comment", "key"))
    return Filled(answer == ["approve"], comment.strip()[:2_000], key.strip())


def form(ticket: Ticket, request: Request) -> bytes:
    """The page of a link: the request, and the form while it can be answered."""
    if request.state != PENDING:
        return _page("Nothing to answer", [_facts(request), _line(_state(request))])
    who = f"You answer as {ticket.person}." if ticket.person else "Your key says who you are."
    key = "" if ticket.person else _field("key", "Key with the role approver", "password")
    fields = (
        f'<form method="post"><p>{_safe(who)} An approval is for exactly this action, once.</p>'
        f"{key}{_field('comment', 'Comment', 'text')}"
        '<button name="answer" value="approve">Approve</button>'
        '<button name="answer" value="deny">Deny</button></form>'
    )
    return _page("Approve this action?", [_facts(request), fields])


def done(request: Request) -> bytes:
    """The page after an answer."""
    return _page("Thank you", [_facts(request), _line(_state(request))])


def message(text: str) -> bytes:
    """A page that only says something."""
    return _page("Aegis", [_line(text)])


def _state(request: Request) -> str:
    if request.state == PENDING:
        return f"{len(request.votes)} of {request.needed} people have approved."
    by = f" by {request.by}" if request.by else ""
    return f"This request is {request.state}{by}."


def _facts(request: Request) -> str:
    params = msgspec.json.format(msgspec.json.encode(request.summary), indent=2).decode()
    facts = (
        ("Who asks", request.agent or request.principal or "somebody"),
        ("Action", f"{request.type} {request.target}".strip()),
        ("Task", request.task),
        ("Risk", request.risk),
        ("Why it is held", joined(request.reasons)),
        ("Rule", request.rule),
        ("Approvals needed", str(request.needed)),
        ("SHA-256 of the action", request.digest),
    )
    listed = "".join(
        f"<dt>{_safe(name)}</dt><dd>{_safe(value)}</dd>" for name, value in facts if value
    )
    lines = "\n".join(_safe(line) for line in params[:PARAMS_MAX].split("\n"))
    return f"<dl>{listed}<dt>Parameters</dt><dd><pre>{lines}</pre></dd></dl>"


def _field(name: str, label: str, kind: str) -> str:
    return f'<label>{label}<input name="{name}" type="{kind}" autocomplete="off"></label>'


def _line(text: str) -> str:
    return f"<p>{_safe(text)}</p>"


def _safe(text: str) -> str:
    return escape(shown(text))


def _page(title: str, parts: Iterable[str]) -> bytes:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    body = f"<style>{_STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>"
    return (head + body).encode()
