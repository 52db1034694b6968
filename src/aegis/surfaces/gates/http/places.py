"""Where a request may go: names are resolved once, every address is looked at, and the connection
goes to an address that was (so no second resolution can lead elsewhere).

A name is only resolved once its action is decided: asking for a name already tells it to others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from ....model import AegisError, UpstreamError
from ....tools.address import parsed, special
from ....tools.url import canonical_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ....tools.url import Url

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

ADDRESSES_MAX = 32
"""Most addresses of one name that are looked at; a name with more is refused."""

TRIED_MAX = 3
"""Most addresses of one name that are tried in turn."""

RESOLVED_SECONDS = 5.0
"""How long an answer of the resolver is used: shorter than what operators set for failovers."""

RESOLVED_MAX = 1_024
"""Most names remembered; clients choose names, so all are forgotten beyond it."""


class Refused(AegisError):
    """The gate's own settings do not let a request go where it leads."""


class Places:
    """Finds addresses that may be connected to; `private` lists networks inside that may."""

    def __init__(self, private: Sequence[str], resolve: Resolve | None = None) -> None:
        """Raises ValueError for a network that is none."""
        self._private = tuple(ipaddress.ip_network(block) for block in private)
        self._resolve = resolve or system_resolve
        self._known: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a canonical host. Raises Refused where one of them may not be reached,
        UpstreamError where there is none.
        """
        found = await self._resolved(host, port)
        for address in found:
            what = self._inside(address)
            if what:
                to = "" if address == host else f" leads to `{address}`, which"
                raise Refused(
                    f"`{host}`{to} is {what}; `gates.http.private` lists networks inside that may "
                    "be reached"
                )
        return found

    async def check_redirect(self, base: Url, location: str) -> None:
        """Raises Refused where a redirect leads to a place that may not be reached."""
        try:
            url = canonical_url(urljoin(base.text, location))
        except ValueError as error:
            raise Refused(f"the answer redirects to no proper address: {error}") from None
        try:
            await self.addresses(url.host, url.port)
        except Refused as error:
            raise Refused(f"the answer redirects elsewhere: {error}") from None
        except UpstreamError:
            pass  # nobody can follow it

    async def _resolved(self, host: str, port: int) -> tuple[str, ...]:
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        now = asyncio.get_running_loop().time()
        since, found = self._known.get((host, port), (0.0, ()))
        if found and now - since < RESOLVED_SECONDS:
            return found
        try:
            found = tuple(dict.fromkeys(await self._resolve(host, port)))
        except OSError as error:
            said = error.strerror or "it cannot be resolved"
            raise UpstreamError(f"no address for `{host}`: {said}", began=False) from None
        if not 0 < len(found) <= ADDRESSES_MAX:
            raise UpstreamError(f"`{host}` has {len(found)} addresses", began=False)
        if len(self._known) >= RESOLVED_MAX:
            self._known.clear()
        self._known[host, port] = now, found
        return found

    def _inside(self, address: str) -> str:
        """What an address inside is; empty for public ones and those that may be reached."""
        what = special(address)
        if what and any(parsed(address) in block for block in self._private):
            return ""
        return what


async def system_resolve(host: str, port: int) -> list[str]:
    """The addresses the system's resolver gives. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
