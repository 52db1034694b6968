"""Who people are: a user of a channel is a person only where the configuration says so.

A name shown by Slack or a mail address can be chosen by anybody who may write there. Nobody
answers through a channel whose user is not linked to a person under `approvals.approvers`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_CHANNEL = "api"
"""The channel whose users are keys of the gateway, by name."""


class People:
    """The people of a configuration, by the users they are on each channel."""

    def __init__(self, approvers: Mapping[str, Mapping[str, str]]) -> None:
        self._by_user = {
            (channel, user): person
            for person, users in approvers.items()
            for channel, user in users.items()
        }

    def person(self, channel: str, user: str) -> str:
        """The person behind a user of a channel; empty where nobody is."""
        return self._by_user.get((channel, user), "") if user else ""

    def on(self, channel: str) -> Mapping[str, str]:
        """The people of a channel: person to user."""
        return MappingProxyType(
            {person: user for (name, user), person in self._by_user.items() if name == channel}
        )

    def aliases(self, key_name: str) -> tuple[str, ...]:
        """Every name of the holder of a key."""
        return tuple(name for name in (key_name, self.person(KEY_CHANNEL, key_name)) if name)
