"""Brings approvals to their channels, keeps what they show current, and ends what nobody answered.

What a channel has to show stands in the state store. One thread per channel compares it with what
the channel shows, so an answer given anywhere (another channel, the command line, another process)
is shown everywhere, also after a restart. A post is held while it is delivered, so that of several
processes one delivers it; one that dies meanwhile lets go of it after HOLD_SECONDS.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from ..approval import APPROVED, CONSUMED, PENDING
from ..model import AegisError
from ..plugin.contracts import Channel, FetchingChannel
from .state import Post

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..approval import Request
    from ..plugin.contracts import Approver
    from .state import StateStore

    Build = Callable[[], Mapping[str, Approver | Channel]]

TICK_SECONDS = 0.1
"""How often the shared epoch is looked at: a memory read, no I/O."""

LOOK_SECONDS = 1.0
"""How often the store is read where nothing changed: escalations, retries and expiry are that
punctual."""

HOLD_SECONDS = 60.0
"""How long a post may be under delivery; a channel gives up long before."""

TRIES_MAX = 8
"""Deliveries that may fail in a row: with doubling waits, about four minutes."""

CLOSE_SECONDS = 2.0
"""How long closing waits for a delivery under way; what is not delivered stays to be."""

log = logging.getLogger("aegis.approvals")


class Courier:
    """The channels of one home. `expire` ends the requests that are past their time."""

    def __init__(self, state: StateStore, build: Build, late: Sequence[str] = ()) -> None:
        """`build` makes the channels, when they are needed first: a command that only answers has
        no use for them, nor for their secrets. `late` are the channels that are told only where
        nobody answered in time.
        """
        self._state = state
        self._build = build
        self._built: dict[str, Approver | Channel] | None = None
        self.late = frozenset(late)
        self._threads: dict[str, threading.Thread] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.expire: Callable[[], None] | None = None
        self.fetched: Callable[[str, FetchingChannel], None] | None = None
        """Takes in what a channel has to fetch."""

    @property
    def channels(self) -> Mapping[str, Approver | Channel]:
        """The channels by name. Raises ConfigError or PluginError where one cannot be built."""
        with self._lock:
            if self._built is None:
                self._built = dict(self._build())
            return self._built

    def replace(self, build: Build, late: Sequence[str]) -> None:
        """Put newly built channels in force, where the old ones were in use; the old ones stay
        where they cannot be built. Raises ConfigError, PluginError.
        """
        old = self._built
        built = dict(build()) if old is not None else None
        self._build, self._built, self.late = build, built, frozenset(late)
        for channel in (old or {}).values():
            if isinstance(channel, Channel):
                channel.close()
        if self._threads:
            self.start()

    def posts(self, request: Request) -> list[Post]:
        """What the channels will have to show of a new request."""
        return [
            Post(request.id, name, request.escalates if name in self.late else request.created)
            for name, channel in self.channels.items()
            if isinstance(channel, Channel) and (name not in self.late or request.escalates)
        ]

    def filed(self, request: Request) -> None:
        """A request was filed in this process: tell whoever hears of it here, at once."""
        for name, channel in self.channels.items():
            if isinstance(channel, Channel):
                continue
            try:
                channel.announce(request)
            except Exception as error:
                # the request is on file whether or not this channel works
                log.warning("approver `%s` failed: %s", name, error)
        self.start()

    def start(self) -> None:
        """Run the threads that are not running yet."""
        channels = self.channels
        with self._lock:
            if self._stop.is_set():
                return
            names = [name for name, each in channels.items() if isinstance(each, Channel)]
            for name in ("", *names):
                if name not in self._threads:
                    thread = threading.Thread(
                        target=self._serve, args=(name,), name=f"aegis-approvals-{name}"
                    )
                    thread.daemon = True
                    self._threads[name] = thread
                    thread.start()

    def close(self) -> None:
        """End the threads. What is not delivered yet is delivered by whoever opens this home."""
        self._stop.set()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        for channel in (self._built or {}).values():
            if isinstance(channel, Channel):
                channel.close()

    def _serve(self, name: str) -> None:
        """The life of one thread: `name` is its channel, or empty for the one that ends things."""
        epoch, looked = -1, 0.0
        while not self._stop.wait(TICK_SECONDS):
            current = self._state.epoch()
            now = time.monotonic()
            if current != epoch or now - looked >= LOOK_SECONDS:
                epoch, looked = current, now
                try:
                    self._work(name)
                except AegisError as error:
                    log.warning("approvals cannot be looked at: %s", error)

    def _work(self, name: str) -> None:
        if not name:
            if self.expire is not None:
                self.expire()
            return
        channel = self.channels.get(name)
        if not isinstance(channel, Channel):
            return
        for post in self._state.due_posts(name, _now()):
            if self._stop.is_set():
                return
            self._bring(channel, post)
        if isinstance(channel, FetchingChannel) and self.fetched is not None:
            try:
                self.fetched(name, channel)
            except Exception as error:
                log.warning("channel `%s` cannot be read: %s", name, error)

    def _bring(self, channel: Channel, post: Post) -> None:
        """Deliver one post, if nobody else does."""
        request = self._state.approval(post.approval)
        now = _now()
        if request is None or not self._state.hold_post(post, now, now + int(HOLD_SECONDS * 1e6)):
            return
        shown = APPROVED if request.state == CONSUMED else request.state
        decided = shown != PENDING
        reference, tries, again = post.reference, 0, 0
        try:
            if not post.shown and not decided:
                reference = channel.post(request)
            elif post.shown:
                channel.update(request, reference)
            # what was decided before this channel was told is no news to it
        except Exception as error:
            tries = post.tries + 1
            log.warning("channel `%s`, approval `%s`: %s", post.channel, post.approval, error)
            shown, again = post.shown, _now() + (1 << tries) * 1_000_000
        replace = msgspec.structs.replace
        settled = tries >= TRIES_MAX or (decided and not tries)
        changed = replace(post, shown=shown, reference=reference, tries=tries, settled=settled)
        self._state.put_post(changed, again)


def _now() -> int:
    return time.time_ns() // 1000
