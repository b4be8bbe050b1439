"""What is told of a numbered stream is what a plain count of all its numbers says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcast._cli.sequences import Sequences

NUMBERS = 2**16


@st.composite
def streams(draw: st.DrawFn) -> list[int]:
    """Return whole numbers as they arrive: some missing, some twice, some late."""
    start = draw(st.integers(0, 3 * NUMBERS))
    steps = draw(st.lists(st.integers(1, 5) | st.integers(1, 900), min_size=1, max_size=60))
    numbers = [start]
    for step in steps:
        numbers.append(numbers[-1] + step)
    # Nothing comes so late or early that it cannot be told from a new start.
    places = {number: number + draw(st.integers(0, 40)) for number in numbers}
    arriving = sorted(numbers, key=lambda number: places[number])
    again = draw(st.lists(st.integers(0, len(arriving) - 1), max_size=5))
    for place in sorted(again, reverse=True):
        arriving.insert(place + 1, arriving[place])
    return arriving


@given(streams())
def test_losses_duplicates_and_late_ones_add_up(arriving: list[int]) -> None:
    """However the 16 bits wrap around, the numbers tell what a list without that limit tells."""
    sequences = Sequences()
    for number in arriving:
        sequences.add(number % NUMBERS)
    different = set(arriving)
    largest, late, seen = arriving[0], 0, {arriving[0]}
    for number in arriving[1:]:
        late += number < largest and number not in seen
        largest = max(largest, number)
        seen.add(number)
    assert sequences.lost == max(different) - min(different) + 1 - len(different)
    assert sequences.duplicates == len(arriving) - len(different)
    assert sequences.reordered == late
    assert sequences.restarts == 0


@given(st.integers(0, NUMBERS - 1), st.integers(4_000, 60_000))
def test_a_sender_that_begins_anew_has_lost_nothing(first: int, jump: int) -> None:
    """Two numbers in a row from elsewhere are a new start; one alone is passed over."""
    sequences = Sequences()
    for number in (first, first + 1, first + jump, first + 2):
        sequences.add(number % NUMBERS)
    assert (sequences.lost, sequences.restarts) == (0, 0)
    for number in range(first + jump, first + jump + 5):
        sequences.add(number % NUMBERS)
    assert (sequences.lost, sequences.duplicates, sequences.restarts) == (0, 0, 1)
