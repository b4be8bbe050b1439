"""The errors of the facade, over those that the low level defines."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from mcast_lowlevel import McastError, UnsupportedError

if TYPE_CHECKING:
    from ._interfaces import Interface

__all__ = [
    "AddressError",
    "ClosedError",
    "InterfaceError",
    "JoinOutcome",
    "McastError",
    "MembershipError",
    "UnsupportedError",
]


class AddressError(McastError, ValueError):
    """A group, port or family that cannot be used; the message names it and what would do."""


class InterfaceError(McastError, LookupError):
    """No interface, or none that fits; the message names what was asked for and what there is."""


class ClosedError(McastError):
    """The sender or receiver was closed, before the call or during it."""


class JoinOutcome(NamedTuple):
    """JoinOutcome is what became of joining one group on one interface."""

    group: IPv4Address | IPv6Address
    interface: Interface
    error: OSError | None
    """The system's refusal; None where the group was joined."""

    def __str__(self) -> str:
        """Return it in words."""
        result = "joined" if self.error is None else self.error.strerror
        return f"{self.group} on {self.interface.friendly_name}: {result}"


class MembershipError(McastError, OSError):
    """A group could not be joined, or a membership not be changed so.

    Its `errno` is the system's first refusal, None where the system was not asked.
    """

    def __init__(self, summary: str, outcomes: Sequence[JoinOutcome] = ()) -> None:
        """`outcomes` are all groups and interfaces that were tried, in that order."""
        self.outcomes = tuple(outcomes)
        """What became of each group on each interface."""
        errors = [outcome.error for outcome in outcomes if outcome.error is not None]
        if not errors:
            super().__init__(summary)
            return
        # The refusals first: of a thousand groups they are what is looked for.
        details = "; ".join(map(str, sorted(outcomes, key=lambda outcome: outcome.error is None)))
        # On Windows errno is made from its own number, which comes behind a file's name.
        number = getattr(errors[0], "winerror", None)
        behind = () if number is None else (None, number)
        super().__init__(errors[0].errno, f"{summary}: {details}", *behind)
        self.__cause__ = errors[0]
        notes = [note for error in errors for note in getattr(error, "__notes__", ())]
        for note in dict.fromkeys(notes):
            self.add_note(note)
