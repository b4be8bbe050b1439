"""The blocks of code in the documentation, and what the pages say of how each is run.

A comment before a block, which readers do not see, says what running it takes, a line each:

    <!--
    before: COMMAND        run on the same host first, to set the scene
    beside: COMMAND        run on the same host meanwhile; it has printed a line before it goes on
    peer: COMMAND          the same on another host of the network
    repeats: COMMAND       run on the same host again and again meanwhile
    peer repeats: COMMAND  the same on another host
    until: TEXT            the block is ended once it has printed that: it would go on for ever
    shorter: OLD => NEW    what is replaced in it, because it would take minutes
    exit: CODE             what it ends with, if not 0
    not run: REASON        in place of all these
    -->

A block of ``text`` behind it is what it prints. A line of it that is ``…`` stands for any lines,
and a number for any, where it differs from run to run: ports, process ids, and times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.hosts import ROOT

KEYS: Final = {
    "before", "beside", "peer", "repeats", "peer repeats", "until", "shorter", "exit", "not run",
}  # fmt: skip
OUTPUT: Final = "text"
_COMMENT: Final = re.compile(r"<!--(.*?)-->", re.DOTALL)
_VARYING: Final = re.compile(
    r"\d{5,}|\d+\.\d+(?= (?:/|m?s\b))|(?<=process )\d+|(?<=kill )\d+|[\d,]+(?= datagrams to port)"
)


@dataclass
class Block:
    """Block is one fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    notes: dict[str, list[str]]
    """What is said of it, by key."""
    shown: list[str] = field(default_factory=list[str])
    """What it prints, as the page shows it."""

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def program(self) -> str:
        """What is run."""
        old, _, new = (self.note("shorter") or "").partition(" => ")
        assert old in self.text, f"{self}: nothing to be made shorter"
        return self.text.replace(old, new) if old else self.text

    def note(self, key: str) -> str | None:
        """Return the one value of a key, None where there is none."""
        values = self.notes.get(key, [])
        assert len(values) <= 1, f"{self}: {key} is said more than once"
        return values[0] if values else None


def pages() -> list[Path]:
    """Return every page, the README too."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def tokens(page: Path) -> list[Token]:
    """Return what a page is made of."""
    return MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))


def blocks() -> list[Block]:
    """Return the blocks of all pages, each with the output that is shown behind it."""
    found: list[Block] = []
    for page in pages():
        for block in _blocks(page):
            if block.language == OUTPUT and not block.notes:
                assert found, f"{block}: nothing prints that"
                assert found[-1].page == page, f"{block}: nothing prints that"
                found[-1].shown.append(block.text)
            else:
                found.append(block)
    return found


def _blocks(page: Path) -> Iterator[Block]:
    notes: dict[str, list[str]] = {}
    for token in tokens(page):
        assert token.type != "code_block", f"{page}: indented code has no language: fence it"
        if token.type == "html_block":
            for comment in _COMMENT.findall(token.content):
                _read_notes(comment, notes)
        elif token.type == "fence" and not token.info.startswith("{"):  # MyST's own words.
            assert token.map is not None
            yield Block(page, token.map[0] + 1, token.info, token.content, notes)
            notes = {}


def _read_notes(comment: str, notes: dict[str, list[str]]) -> None:
    for line in filter(None, map(str.strip, comment.splitlines())):
        key, separator, value = line.partition(": ")
        assert separator, f"no note on a block: {line!r}"
        assert key in KEYS, f"no note on a block: {line!r}"
        notes.setdefault(key, []).append(value)


def shows(shown: str, printed: str) -> bool:
    """Return whether `printed` has what a page shows of it."""
    pattern = ""
    for line in shown.splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
            continue
        parts = _VARYING.split(line.rstrip())
        pattern += r"[\d.,]+".join(map(re.escape, parts)) + r"[ ]*\n"
    return re.search(f"^{pattern}", printed, re.MULTILINE) is not None
