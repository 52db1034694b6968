"""How a flow of data is written as a label, so that policies can ask for it.

The session engine finds that a value from a labelled source is about to reach a sink; the policy
knows nothing about sessions and asks for the label. `flow:untrusted>external:control` says that an
argument that decides what happens came out of an untrusted result and would leave the house.
"""

from __future__ import annotations

import re

from .action import CAPABILITIES

LABEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
"""What a label of data looks like: short, and without the characters that join labels."""

FLOW = "flow:"
"""How every such label begins."""

EXTERNAL = "external"
"""The sink of whatever leaves the house: messages, payments, requests to other hosts."""

SINKS = (EXTERNAL, *CAPABILITIES)
"""Where data can flow to: out of the house, or into an action of a capability."""

CONTROL, CONTENT, SESSION = "control", "content", "session"

WAYS = (CONTROL, CONTENT, SESSION)
"""How it gets there. `control`: as an argument that decides what happens (a recipient, an address,
a path, a command). `content`: as an argument that is only carried (a body, a title). `session`: not
the value itself; the session has merely seen data of that label."""


def flow_label(label: str, sink: str, way: str) -> str:
    """The label of one flow."""
    return f"{FLOW}{label}>{sink}:{way}"
