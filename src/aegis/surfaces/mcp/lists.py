"""Lists of what the upstreams have, joined and cut down to what the caller may use.

A tool in quarantine is left out, and so is what the policy blocks whatever is asked of it; so are
prompts and resources whose description looks poisoned. Pages of upstreams are joined.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Action, AegisError, Resource, Verdict
from . import protocol as rpc
from .tools import SEPARATOR, action_of, pages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .gateway import Gateway
    from .link import Link
    from .protocol import Frame
    from .session import Asker

TTL_MS = 0
"""How long a client may keep a list: not at all, since a person may quarantine a tool any time."""

log = logging.getLogger("aegis.mcp")


async def tools(gateway: Gateway, asker: Asker, _: Frame) -> Frame:
    """Answer `tools/list`."""

    async def of(link: Link) -> list[Frame]:
        known = await asker.session.tools(link, again=True)
        found = []
        for name, tool in known.items():
            action = action_of(
                asker.session.actor, f"{link.name}{SEPARATOR}{name}", tool, {}, known.fact(name)
            )
            if name not in known.quarantined and _reachable(gateway, action):
                found.append({**tool, "name": gateway.public(link.name, name)})
        return found

    return {"tools": await _joined(gateway, asker, of)}


async def prompts(gateway: Gateway, asker: Asker, _: Frame) -> Frame:
    """Answer `prompts/list`."""

    async def of(link: Link) -> list[Frame]:
        found = []
        for prompt in await _entries(gateway, link, "prompts", "prompts/list", "prompts"):
            name = str(prompt.get("name"))
            if _usable(gateway, asker, "prompts/get", f"{link.name}{SEPARATOR}{name}", link.name):
                found.append({**prompt, "name": gateway.public(link.name, name)})
        return found

    return {"prompts": await _joined(gateway, asker, of)}


async def resources(gateway: Gateway, asker: Asker, _: Frame) -> Frame:
    """Answer `resources/list`."""

    async def of(link: Link) -> list[Frame]:
        found = []
        places = asker.session.places
        for uri in [uri for uri, name in places.items() if name == link.name]:
            del places[uri]
        for resource in await _entries(gateway, link, "resources", "resources/list", "resources"):
            uri = str(resource.get("uri"))
            places.setdefault(uri, link.name)
            if _usable(gateway, asker, "resources/read", uri, link.name):
                found.append(resource)
        return found

    return {"resources": await _joined(gateway, asker, of)}


async def templates(gateway: Gateway, asker: Asker, _: Frame) -> Frame:
    """Answer `resources/templates/list`."""

    async def of(link: Link) -> list[Frame]:
        found = await _entries(
            gateway, link, "resources", "resources/templates/list", "resourceTemplates"
        )
        prefixes = asker.session.prefixes
        for prefix in [prefix for prefix, name in prefixes.items() if name == link.name]:
            del prefixes[prefix]
        for template in found:
            prefix = str(template.get("uriTemplate")).partition("{")[0]
            prefixes.setdefault(prefix, link.name)
        return found

    return {"resourceTemplates": await _joined(gateway, asker, of)}


async def subscribe(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `resources/subscribe`."""
    return await _subscription(gateway, asker, "resources/subscribe", params)


async def unsubscribe(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `resources/unsubscribe`."""
    return await _subscription(gateway, asker, "resources/unsubscribe", params)


async def holder(gateway: Gateway, asker: Asker, uri: str) -> Link:
    """The connection to the upstream that has a resource. Raises RpcError, UpstreamError."""
    return await asker.session.link(await _holder(gateway, asker, uri), asker)


def cacheable(method: str, result: Frame) -> Frame:
    """A result with what a stateless client is told about keeping it."""
    if method.endswith("/list") or method in ("resources/read", "server/discover"):
        return {**result, "ttlMs": TTL_MS, "cacheScope": "private"}
    return result


async def _holder(gateway: Gateway, asker: Asker, uri: str) -> str:
    """The name of the upstream that has a resource: one that lists it, or a template for it, or
    the only one there is. Raises RpcError.
    """
    if len(gateway.upstreams) == 1:
        return next(iter(gateway.upstreams))
    session = asker.session
    for attempt in (False, True):
        if attempt:
            await resources(gateway, asker, {})
            await templates(gateway, asker, {})
        if uri in session.places:
            return session.places[uri]
        fitting = [prefix for prefix in session.prefixes if prefix and uri.startswith(prefix)]
        if fitting:
            return session.prefixes[max(fitting, key=len)]
    raise rpc.RpcError(rpc.INVALID_PARAMS, f"no upstream has a resource `{uri[:200]}`")


async def _subscription(gateway: Gateway, asker: Asker, method: str, params: Frame) -> Frame:
    uri = rpc.text_of(params, "uri")
    link = await holder(gateway, asker, uri)
    if not _usable(gateway, asker, "resources/read", uri, link.name):
        raise rpc.RpcError(rpc.BLOCKED, f"the policy does not let you read `{uri[:200]}`")
    return await link.request(method, {"uri": uri})


async def _joined(
    gateway: Gateway, asker: Asker, of: Callable[[Link], Awaitable[list[Frame]]]
) -> list[Frame]:
    """The entries of all upstreams, in the order of the configuration. Those that fail are left
    out and logged; where all fail, the caller is told why.
    """

    async def from_one(name: str) -> list[Frame]:
        return await of(await asker.session.link(name, asker))

    results: list[Any] = await asyncio.gather(
        *(from_one(name) for name in gateway.upstreams), return_exceptions=True
    )
    joined: list[Frame] = []
    failures = [result for result in results if isinstance(result, BaseException)]
    for result in results:
        if isinstance(result, AegisError):
            log.warning("a list is incomplete: %s", result)
        elif isinstance(result, BaseException):
            raise result
        else:
            joined += result
    if failures and len(failures) == len(results):
        raise failures[0]
    return joined


async def _entries(
    gateway: Gateway, link: Link, capability: str, method: str, member: str
) -> list[Frame]:
    """What one upstream lists, without what looks poisoned."""
    if capability not in link.capabilities:
        return []
    try:
        found = await pages(link, method, member)
    except rpc.RpcError as error:
        if error.code == rpc.NO_METHOD:
            return []  # a capability may stand for a part of its methods
        raise
    clean = []
    for entry in found:
        poisoned = gateway.pins.read(entry)
        if poisoned:
            log.warning("upstream `%s`, `%s`: left out: %s", link.name, method, poisoned)
        else:
            clean.append(entry)
    return clean


def _reachable(gateway: Gateway, action: Action) -> bool:
    """Whether a call of this name could ever be allowed, asked for or not."""
    policy = gateway.runtime.rules.policy
    environment = gateway.runtime.settings.environment
    action = msgspec.structs.replace(action, environment=environment)
    least = getattr(policy, "least", policy.decide)(action)
    verdict = least if isinstance(least, Verdict) else least.verdict
    return bool(verdict < Verdict.BLOCK)


def _usable(gateway: Gateway, asker: Asker, method: str, target: str, server: str) -> bool:
    action = Action(
        method,
        target,
        protocol="mcp",
        actor=asker.session.actor,
        capability="read",
        environment=gateway.runtime.settings.environment,
        resources=(Resource("server", server, "read"),),
    )
    return gateway.runtime.rules.policy.decide(action).verdict < Verdict.BLOCK
