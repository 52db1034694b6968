"""The `gates` section of `aegis.yaml` (see `settings.py`): one part for each protocol."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from .listening import address_of
from .meaning import DAY, about

if TYPE_CHECKING:
    from ..policy.source import Node
    from .typed import Reader


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every gate has. Without keys it refuses addresses other than loopback unless
    `allow_unauthenticated` is set.
    """

    listen: Annotated[str, about("where it listens, `host:port`; port 0 takes a free one")]
    require_key: Annotated[bool, about("whether a client needs a key (`aegis keys create`)")] = True
    allow_unauthenticated: Annotated[
        bool, about("serve addresses other than loopback although no key is required")
    ] = False
    certificate: Annotated[
        str, about("file of the certificate shown to clients, with its chain (PEM); empty: no TLS")
    ] = ""
    private_key: Annotated[str, about("file of the certificate's key (PEM)")] = ""
    connections: Annotated[
        int, Meta(ge=1, le=100_000), about("connections served at once; more are turned away")
    ] = 100
    connect_seconds: Annotated[
        float,
        Meta(gt=0, le=DAY),
        about("how long greeting a client, or reaching upstream, may take"),
    ] = 10.0
    idle_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long a connection may stand unused")
    ] = 3600.0
    shutdown_seconds: Annotated[
        float, Meta(ge=0, le=DAY), about("how long what is under way may take at shutdown")
    ] = 10.0


class SqlGate(GateSettings, frozen=True, forbid_unknown_fields=True):
    """`aegis gate sql`: speaks PostgreSQL to clients, in front of one server."""

    listen: Annotated[str, about("where it listens, `host:port`; port 0 takes a free one")] = (
        "127.0.0.1:6432"
    )
    upstream: Annotated[
        str, about("the server, `host:port`; or the folder of its socket, `/folder:port`")
    ] = ""
    user: Annotated[str, about("the login at the server; clients never see it")] = ""
    password: Annotated[str, about("its password; write it as a `secret://` reference")] = ""
    databases: Annotated[tuple[str, ...], about("globs over the databases clients may open")] = (
        "*",
    )
    upstream_tls: Annotated[
        Literal["verify-full", "verify-ca", "require", "disable"],
        about("TLS to the server, as libpq names its modes; a socket has none"),
    ] = "verify-full"
    upstream_ca: Annotated[
        str, about("file of the authorities that vouch for the server (PEM); empty: the system's")
    ] = ""
    review: Annotated[
        Literal["wait", "refuse"],
        about(
            "where a person has to agree: `wait` holds the statement for at most "
            "`approvals.wait_seconds`, `refuse` answers at once; repeating it uses the approval"
        ),
    ] = "wait"
    copy: Annotated[
        Literal["inspect", "refuse"],
        about("COPY over the connection: its rows are inspected, or it is refused"),
    ] = "inspect"
    message_bytes: Annotated[
        int,
        Meta(ge=1024, le=1_073_741_824),
        about("largest message of a client or the server: a statement, a row, a value"),
    ] = 16_777_216


class HttpGate(GateSettings, frozen=True, forbid_unknown_fields=True):
    """`aegis gate http`: a forward proxy, every request and every answer governed."""

    listen: Annotated[str, about("where it listens, `host:port`; port 0 takes a free one")] = (
        "127.0.0.1:3128"
    )
    connections: Annotated[
        int, Meta(ge=1, le=100_000), about("connections served at once; more are turned away")
    ] = 512
    connect_seconds: Annotated[
        float,
        Meta(gt=0, le=DAY),
        about("how long the head of a request, or reaching a server, may take"),
    ] = 10.0
    idle_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long a tunnel may carry nothing")
    ] = 3600.0
    private: Annotated[
        tuple[str, ...],
        about("networks inside that may be reached, such as `10.1.0.0/16`; none by default"),
    ] = ()
    tunnel_ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_535)], ...],
        about("ports that `CONNECT` may ask for; what goes through has to be TLS"),
    ] = (443,)
    body_bytes: Annotated[
        int,
        Meta(ge=1024, le=1_073_741_824),
        about("largest request body, and largest answer that is taken whole, decompressed"),
    ] = 10_485_760
    ca_file: Annotated[
        str, about("file of further authorities that certificates of servers may come from (PEM)")
    ] = ""
    intercept_ca: Annotated[
        str,
        about(
            "file of an authority that clients trust, made by `aegis gate http --make-ca FILE`: "
            "tunnels are opened with it, and requests in them governed; empty leaves them closed"
        ),
    ] = ""


class GitUpstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Git server. A credential that is lent to an action is shown in place of `password`."""

    url: Annotated[str, about("where its repositories begin, such as `https://github.com`")]
    username: Annotated[
        str, about("who logs in there; with tokens of GitHub `x-access-token` for all")
    ] = "x-access-token"
    password: Annotated[
        str, about("password or token; write it as a `secret://` reference; empty sends none")
    ] = ""
    headers: Annotated[dict[str, str], about("headers added to every request to it")] = {}


class GitGate(GateSettings, frozen=True, forbid_unknown_fields=True):
    """`aegis gate git`: speaks Git's smart HTTP to clients, in front of servers by name."""

    listen: Annotated[str, about("where it listens, `host:port`; port 0 takes a free one")] = (
        "127.0.0.1:8418"
    )
    upstreams: Annotated[
        dict[str, GitUpstream],
        about("servers by name; their repositories are `/NAME/owner/repo.git` here"),
    ] = {}
    push_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 40), about("largest push that is taken, decompressed")
    ] = 1 << 30
    history_bytes: Annotated[
        int,
        Meta(ge=1 << 20, le=1 << 50),
        about("how large all copies of histories may be together; unused ones are removed first"),
    ] = 10 << 30
    history_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long fetching a history to compare with may take")
    ] = 300.0
    timeout_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long a server may be silent; hooks take their time")
    ] = 300.0


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gates: servers of other protocols that clients reach only through Aegis. Each is a process
    of its own, `aegis gate KIND`; changes of this section need a restart of it.
    """

    sql: Annotated[SqlGate, about("PostgreSQL, for `aegis gate sql`", restart=True)] = SqlGate()
    http: Annotated[HttpGate, about("a forward proxy, for `aegis gate http`", restart=True)] = (
        HttpGate()
    )
    git: Annotated[GitGate, about("Git servers, for `aegis gate git`", restart=True)] = GitGate()


def check_gates(root: Node, reader: Reader) -> None:
    """Complain about addresses that are none, and TLS with half of what it needs."""
    section = root.value.get("gates") if isinstance(root.value, dict) else None
    kinds = section.value if section is not None else None
    for kind, node in kinds.items() if isinstance(kinds, dict) else ():
        fields = node.value if isinstance(node.value, dict) else {}
        for key in ("listen", "upstream"):
            place = fields.get(key)
            if place is None or not isinstance(place.value, str) or not place.value:
                continue
            try:
                address_of(place.value)
            except ValueError as error:
                reader.complain(("gates", kind, key), place, str(error))
        blocks = fields.get("private")
        listed = blocks.value if blocks is not None and isinstance(blocks.value, list) else ()
        for index, item in enumerate(listed):
            try:
                ipaddress.ip_network(str(item.value))
            except ValueError as error:
                reader.complain(("gates", kind, "private", index), item, str(error))
        check_upstreams(fields.get("upstreams"), kind, reader)
        for key, other in (("certificate", "private_key"), ("private_key", "certificate")):
            if key in fields and other not in fields:
                reader.complain(("gates", kind, key), fields[key], f"needs `{other}` beside it")


def check_upstreams(node: Node | None, kind: str, reader: Reader) -> None:
    """Complain about servers whose name or address could not stand in a URL."""
    for name, server in node.value.items() if node and isinstance(node.value, dict) else ():
        path = ("gates", kind, "upstreams", name)
        if not NAME.fullmatch(name):
            reader.complain(path, server, "a name holds letters, digits, `.`, `_` and `-`")
        url = server.value.get("url") if isinstance(server.value, dict) else None
        if url is None or not isinstance(url.value, str):
            continue
        if not ADDRESS.fullmatch(url.value):
            hint = "a login stands in `username` and `password`"
            message = "has to be `https://host` or `https://host/path`"
            reader.complain((*path, "url"), url, message, hint)


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What an upstream may be called: it is a part of a path."""

ADDRESS = re.compile(r"https?://[^\s@/?#]+(?:/[^\s@?#]*)?")
"""The address of an upstream (RFC 3986), without a login, query or fragment."""
