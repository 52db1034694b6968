"""Work that takes long, done beside event loops: the reading of long texts by guards.

One thread for all of them. Python runs one thread at a time, and each further one that computes
would let an event loop wait its turn once more.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


_pools: dict[int, ThreadPoolExecutor] = {}
"""By process: a forked child has none of its parent's threads."""


async def beside(call: Callable[..., Answer], *args: object) -> Answer:
    """The answer of a call that another thread makes. What has begun ends, even where the caller is
    cancelled.
    """
    process = os.getpid()
    if process not in _pools:
        _pools[process] = ThreadPoolExecutor(1, "aegis-guards")
    return await asyncio.get_running_loop().run_in_executor(_pools[process], call, *args)
