"""Batch: datagrams that were received by one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, cast, overload

from mcast_lowlevel import MessageBatch, Part

from ._datagram import Datagram
from ._group_socket import GroupSocket
from ._stories import Story, Verdict

_new_tuple = cast(
    "Callable[[type[Datagram], Iterable[object]], Datagram]", cast(Any, tuple).__new__
)
_KEPT = 2
"""How many pieces of memory a receiver keeps: one to fill while the batch before is still held."""


class Batch(Sequence[Datagram]):
    """Batch is datagrams received by one call, a sequence of `Datagram` decoded when asked for.

    `payloads` gives them without a copy. It is the receiver's to make.
    """

    __slots__ = ("__weakref__", "_book", "_datagrams", "_messages", "_parts", "_sizes", "_verdicts")

    def __init__(
        self,
        datagrams: list[Datagram] | None = None,
        received: tuple[MessageBatch, GroupSocket] | None = None,
    ) -> None:
        """Hold `datagrams`, or what was `received` from a socket but for what is not wanted."""
        self._datagrams = datagrams
        self._messages: MessageBatch | None = None
        self._parts: list[Part] | None = None
        if received is None:
            self._sizes = [len(item.data) for item in datagrams or ()]
            return
        messages, carrier = received
        self._messages = messages
        self._book = carrier.stories
        self._verdicts: Sequence[Verdict] | None = None
        self._sizes = messages.sizes()
        if carrier.hears_only_joined and not carrier.is_coalescing:
            return
        self._verdicts = verdicts = self._book.judge(messages, carrier.joined)
        if all(verdicts) and not carrier.is_coalescing:
            return
        self._parts = [
            Part(number, size, story.segment_size or size or 1)
            for number, (story, size) in enumerate(zip(verdicts, self._sizes, strict=True))
            if story
        ]
        self._sizes = []
        for part in self._parts:
            self._sizes += _piece_sizes(part)

    @property
    def messages(self) -> MessageBatch | None:
        """The memory that it needs still; for the receiver."""
        return self._messages

    @property
    def sizes(self) -> Sequence[int]:
        """The sizes of the payloads, in bytes."""
        return tuple(self._sizes)

    @property
    def total_bytes(self) -> int:
        """The size of all payloads together, in bytes."""
        return sum(self._sizes)

    def payloads(self) -> Sequence[memoryview]:
        """Return the payloads as they lie in the receiver's memory, to read only.

        They stay as they are for as long as they are kept: what is in use is not used again.
        """
        if self._datagrams is not None:
            return [memoryview(datagram.data) for datagram in self._datagrams]
        messages = self._messages
        if messages is None or not self._sizes:
            return []
        if self._parts is None:
            return messages.views(self._sizes)
        return messages.part_views(self._parts)

    def _decoded(self) -> list[Datagram]:
        datagrams = self._datagrams
        if datagrams is None:
            datagrams = self._datagrams = self._decode()
            self._messages = None  # It may be used again.
        return datagrams

    def _decode(self) -> list[Datagram]:
        messages = self._messages
        if messages is None or not self._sizes:
            return []
        # Where some are unwanted, only the stories of the parts are used.
        judged = cast("Sequence[Story] | None", self._verdicts)
        stories = self._book.read(messages) if judged is None else judged
        times: Sequence[int] = messages.times()
        if self._parts is None:
            copies = messages.copies(self._sizes)
        else:
            copies = messages.part_copies(self._parts)
            numbers = [part.number for part in self._parts for _ in _piece_sizes(part)]
            stories = [stories[number] for number in numbers]
            times = [times[number] for number in numbers]
        first = stories[0]
        if len(stories) == 1:
            return [_new_tuple(Datagram, (copies[0], *first[:4], times[0], False))]
        shared: Iterable[Iterable[object]]
        if stories.count(first) == len(stories):
            shared = map(repeat, first)
        else:
            shared = zip(*stories, strict=True)
        source, group, interface, ttl, _ = shared
        # As namedtuple makes its instances, but in a loop of the interpreter's own. The last field
        # is `truncated`: there is room for any datagram.
        fields = zip(copies, source, group, interface, ttl, times, repeat(False), strict=False)
        return list(map(_new_tuple, repeat(Datagram), fields))

    def __len__(self) -> int:
        """Return how many datagrams there are."""
        return len(self._sizes)

    @overload
    def __getitem__(self, index: int) -> Datagram: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Datagram]: ...
    def __getitem__(self, index: int | slice) -> Datagram | Sequence[Datagram]:
        """Return a datagram, or those of a slice."""
        return self._decoded()[index]

    def __iter__(self) -> Iterator[Datagram]:
        """Return an iterator over the datagrams."""
        return iter(self._decoded())

    def __repr__(self) -> str:
        """Return how many datagrams and bytes there are."""
        return f"<Batch of {len(self)} datagrams, {self.total_bytes} bytes>"


class Loan:
    """Loan is memory that a batch uses, or used."""

    __slots__ = ("messages", "user")

    def __init__(self, messages: MessageBatch) -> None:
        """Hold `messages`, which nobody uses yet."""
        self.messages = messages
        self.user: Callable[[], Batch | None] = _nobody

    def is_free(self, capacity: int) -> bool:
        """Return whether neither a batch nor a view needs it, and it has room for `capacity`."""
        batch = self.user()
        is_used = batch is not None and batch.messages is not None
        return not is_used and not self.messages.is_shared and self.messages.capacity >= capacity


def _nobody() -> None:
    return None


class BatchMemory:
    """BatchMemory lends memory to batches, and lends it again when nobody uses it any more."""

    def __init__(self) -> None:
        """Have none yet."""
        self._loans: list[Loan] = []

    def lend(self, capacity: int) -> Loan:
        """Return memory for `capacity` datagrams, whose `user` is to be set."""
        for loan in self._loans:
            if loan.is_free(capacity):
                return loan
        loan = Loan(MessageBatch(capacity))
        # What is kept no longer lives for as long as it is used.
        self._loans = [loan, *self._loans[: _KEPT - 1]]
        return loan


def _piece_sizes(part: Part) -> list[int]:
    """Return the sizes of the datagrams that one payload holds."""
    whole, rest = divmod(part.size, part.piece_size)
    sizes = [part.piece_size] * whole
    return [*sizes, rest] if rest or not sizes else sizes
