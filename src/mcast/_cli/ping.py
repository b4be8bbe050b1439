"""``mcast ping``: who hears a group, how fast, and what gets lost on the way there and back."""

from __future__ import annotations

import json
import secrets
import statistics
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, cast

import click

import mcast

from .endpoints import ENDPOINT
from .options import COUNT, SECONDS_OVER_ZERO
from .words import endpoint

_PORT: Final = 4603
"""Where none is given: assigned to nobody (IANA's list of ports)."""
_MARK: Final = "mcast ping"
_ASKERS: Final = 256
"""How many runs of questions are remembered at once by who answers."""
_RECENT: Final = 1024
_LAST_WAIT: Final = 1.0
"""Seconds; how long the answers to the last question are waited for."""


@dataclass
class _Peer:
    """_Peer is one host that answers, and what is known of the way to it and back."""

    host: str
    heard: int = 0
    """How many questions it has heard, as it says."""
    answered: int = 0
    """How many answers it has sent, as it says."""
    asked: int = 0
    """How many questions there had been when it heard the last of those."""
    sequences: set[int] = field(default_factory=set[int])
    duplicates: int = 0
    reordered: int = 0
    seconds: list[float] = field(default_factory=list[float])
    routers: int = 0

    def add(self, answer: dict[str, Any], seconds: float, ttl: int) -> bool:
        """Take note of an answer, and return whether it is a new one."""
        sequence: int = answer["sequence"]
        self.heard = max(self.heard, answer["heard"])
        self.answered = max(self.answered, answer["answered"])
        self.routers = ttl - answer["ttl"]
        if sequence in self.sequences:
            self.duplicates += 1
            return False
        self.reordered += sequence < self.asked
        self.asked = max(self.asked, sequence)
        self.sequences.add(sequence)
        self.seconds.append(seconds)
        return True

    def summary(self) -> dict[str, Any]:
        """Return everything by name; times are in milliseconds."""
        times = [1000 * item for item in self.seconds]
        return {
            "host": self.host,
            "answers": len(self.sequences),
            "lost_there": max(0, self.asked - self.heard),
            "lost_back": max(0, self.answered - len(self.sequences) - self.duplicates),
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "routers": self.routers,
            "milliseconds": [min(times), statistics.median(times), max(times)],
        }


@click.command()
@click.argument("group", type=ENDPOINT, metavar="GROUP[:PORT]")
@click.option("--reply", is_flag=True, help="Answer those who ask, until Ctrl-C.")
@click.option("--interface", "-i", metavar="IF", help="By name, index or address.")
@click.option(
    "--ttl", metavar="N", type=click.IntRange(1, 255), default=1, show_default=True,
    help="How many networks the questions and answers may cross.",
)  # fmt: skip
@click.option("--count", "-n", metavar="N", type=COUNT, help="End after this many questions.")
@click.option(
    "--interval", type=SECONDS_OVER_ZERO, default=1.0, show_default=True,
    help="Seconds between questions.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.pass_context
def ping(
    context: click.Context,
    group: tuple[str, int | None],
    *,
    reply: bool,
    interface: str | None,
    ttl: int,
    count: int | None,
    interval: float,
    as_json: bool,
) -> None:
    """Ask a group who hears it, and tell who answers.

    Hosts answer that run `mcast ping --reply` with the same group. Questions and answers both go to
    the group, so both ways are tried: a summary tells for each host what was lost on the way there
    and back, what came twice or in another order, how many routers it passed, and the time there
    and back. It comes at the end or at Ctrl-C. The exit code is 1 if nobody answered.
    """
    address, given = group
    port = given or _PORT
    with (
        mcast.McastRx(address, port, interfaces=interface) as rx,
        mcast.McastTx(address, port, interface=interface, ttl=ttl) as tx,
    ):
        if reply:
            _answer(rx, tx)
        asking = _Asking(rx, tx, as_json=as_json)
        try:
            asking.ask(count, interval)
        except KeyboardInterrupt:
            click.echo(err=True)
        asking.summarize()
        context.exit(0 if asking.peers else 1)


@dataclass
class _Asker:
    """_Asker is one run of questions, as the host knows it that answers."""

    heard: int = 0
    answered: int = 0
    recent: deque[int] = field(default_factory=lambda: deque[int](maxlen=_RECENT))
    """The last questions, of which none is counted twice."""


def _answer(rx: mcast.McastRx, tx: mcast.McastTx) -> None:
    """Answer each question, until Ctrl-C."""
    click.echo(f"answering on {endpoint(str(tx.group), rx.port)}", err=True)
    askers: dict[str, _Asker] = {}
    for datagram in rx:
        question = _read(datagram.data, "question")
        if question is None:
            continue
        asker = askers.pop(question["session"], None) or _Asker()
        askers[question["session"]] = asker  # The last one is the last to be forgotten.
        if len(askers) > _ASKERS:
            del askers[next(iter(askers))]
        if question["sequence"] not in asker.recent:
            asker.recent.append(question["sequence"])
            asker.heard += 1
        asker.answered += 1
        answer = {
            _MARK: "answer", "session": question["session"], "sequence": question["sequence"],
            "ttl": datagram.ttl, "heard": asker.heard, "answered": asker.answered,
        }  # fmt: skip
        tx.send(json.dumps(answer).encode())


def _read(data: bytes, kind: str) -> dict[str, Any] | None:
    """Return a question or an answer, None for whatever else comes on that port."""
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    message = cast("dict[str, Any]", found)
    numbers = ("sequence",) if kind == "question" else ("sequence", "heard", "answered", "ttl")
    is_whole = message.get(_MARK) == kind and isinstance(message.get("session"), str)
    return message if is_whole and all(type(message.get(n)) is int for n in numbers) else None


class _Asking:
    """_Asking is one run of questions, and who answered."""

    def __init__(self, rx: mcast.McastRx, tx: mcast.McastTx, *, as_json: bool) -> None:
        self.peers: dict[str, _Peer] = {}
        self._rx, self._tx, self._as_json = rx, tx, as_json
        self._session = secrets.token_hex(8)
        self._sent: dict[int, float] = {}

    def ask(self, count: int | None, interval: float) -> None:
        """Ask, and listen between the questions."""
        while count is None or len(self._sent) < count:
            sequence = len(self._sent) + 1
            question = {_MARK: "question", "session": self._session, "sequence": sequence}
            self._sent[sequence] = time.monotonic()
            self._tx.send(json.dumps(question).encode())
            is_last = sequence == count
            self._listen(_LAST_WAIT if is_last else interval)

    def _listen(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                datagram = self._rx.recv(timeout=left)
            except TimeoutError:
                return
            answer = _read(datagram.data, "answer")
            if answer is not None and answer["session"] == self._session:
                self._take(answer, datagram)

    def _take(self, answer: dict[str, Any], datagram: mcast.Datagram) -> None:
        host = datagram.source.host
        sequence: int = answer["sequence"]
        if sequence not in self._sent:
            return
        seconds = time.monotonic() - self._sent[sequence]
        peer = self.peers.setdefault(host, _Peer(host))
        is_new = peer.add(answer, seconds, self._tx.ttl)
        told = {"host": host, "sequence": sequence, "milliseconds": 1000 * seconds}
        if self._as_json:
            click.echo(json.dumps(told))
        else:
            twice = "" if is_new else "  (came before)"
            click.echo(f"{host}  question {sequence}  {1000 * seconds:.3f} ms{twice}")

    def summarize(self) -> None:
        """Tell of each host that answered."""
        for peer in self.peers.values():
            of = peer.summary()
            if self._as_json:
                click.echo(json.dumps({**of, "questions": len(self._sent)}))
                continue
            low, middle, high = of["milliseconds"]
            click.echo(
                f"{peer.host}: {of['answers']} of {len(self._sent)} answered; "
                f"lost {of['lost_there']} there, {of['lost_back']} back; "
                f"{of['duplicates']} twice, {of['reordered']} out of order; "
                f"{of['routers']} routers; {low:.3f} / {middle:.3f} / {high:.3f} ms"
            )
        if not self.peers and not self._as_json:
            click.echo(f"nobody answered {len(self._sent)} questions", err=True)
