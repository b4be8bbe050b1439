"""What is told of datagrams beside their payloads: found out once of all that are alike."""

from __future__ import annotations

from collections.abc import Container, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeAlias, cast

from mcast_lowlevel import Message, MessageBatch

from ._addresses import Address, SourceAddress, decode_source
from ._interfaces import Interface, interfaces

_KNOWN_STORIES = 1024
"""How many are remembered, so that a flood of senders takes no more memory."""


class Story(NamedTuple):
    """Story is what datagrams have in common beside their payloads and times."""

    source: SourceAddress
    group: Address
    interface: Interface
    ttl: int
    segment_size: int
    """Bytes of each of several datagrams that the system put together; 0 for one alone."""


UNWANTED: Final = ()
"""In place of the story of what was not sent to a group that is joined there."""

Verdict: TypeAlias = Story | tuple[()]


class StoryBook:
    """StoryBook is the stories of the datagrams of one socket, by their keys."""

    def __init__(self) -> None:
        """Know none."""
        self.interfaces: dict[int, Interface] = {}
        """Every interface that the socket ever joined on, by index."""
        self._stories: dict[bytes, Story] = {}
        self._verdicts: dict[bytes, Verdict] = {}

    def judge_anew(self) -> None:
        """Forget what is wanted, because that has changed."""
        self._verdicts.clear()

    def read(self, messages: MessageBatch) -> Sequence[Story]:
        """Return the story of each datagram, wanted or not."""
        keys = messages.keys()
        if keys.count(keys[0]) == len(keys):  # A stream from one sender: one look is enough.
            story = self._stories.get(keys[0]) or self._learn(keys[0], messages.message(0))
            return [story] * len(keys)
        found = list(map(self._stories.get, keys))
        if not all(found):
            found = [
                self._stories.get(key) or self._learn(key, messages.message(number))
                for number, key in enumerate(keys)
            ]
        return cast("list[Story]", found)

    def judge(
        self, messages: MessageBatch, joined: Container[tuple[bytes, int]]
    ) -> Sequence[Verdict]:
        """Return the story of each datagram that was sent to one of `joined`, else `UNWANTED`."""
        keys = messages.keys()
        found = list(map(self._verdicts.get, keys))
        if None in found:
            if len(self._verdicts) >= _KNOWN_STORIES:
                self._verdicts.clear()
            for number, key in enumerate(keys):
                if key not in self._verdicts:
                    self._judge_one(key, messages.message(number), joined)
            found = list(map(self._verdicts.get, keys))
        return cast("list[Verdict]", found)

    def _judge_one(
        self, key: bytes, message: Message, joined: Container[tuple[bytes, int]]
    ) -> None:
        verdict: Verdict = UNWANTED
        if (message.destination, message.interface_index) in joined:
            verdict = self._stories.get(key) or self._learn(key, message)
        self._verdicts[key] = verdict

    def _learn(self, key: bytes, message: Message) -> Story:
        if len(self._stories) >= _KNOWN_STORIES:
            self._stories.clear()
        index = message.interface_index
        story = self._stories[key] = Story(
            decode_source(message.name),
            ip_address(message.destination),
            self.interfaces.get(index) or _other_interface(index),
            message.hop_limit,
            message.segment_size,
        )
        return story


def _other_interface(index: int) -> Interface:
    """Return the interface with that index: one of a virtual router, not the one joined on."""
    return next(item for item in interfaces() if item.index == index)
