"""The command line: one module a command, over the public facade alone."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

import mcast

from .demo import demo
from .doctor import doctor
from .interfaces import interfaces
from .ping import ping
from .querier import querier
from .recv import recv
from .send import send
from .words import hints, reason


class _Commands(click.Group):
    """A group of commands in which an error of the facade is one message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        # What arrives may hold characters that the output has no encoding for.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # Nobody reads on: click ends the program quietly.
        except (mcast.McastError, OSError) as error:
            lines = [reason(error), *(f"Hint: {hint}" for hint in hints(error))]
            raise click.ClickException("\n".join(lines)) from error


_EXAMPLES = """\b
Examples:
  mcast recv 239.1.2.3 5000           print what arrives
  mcast send 239.1.2.3 5000 hello     send a datagram

The exit code is 0 for success, 1 for failure and 2 for a wrong command line.
"""


@click.group(
    cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(mcast.__version__, prog_name="mcast", message="%(prog)s %(version)s")
def cli() -> None:
    """Send to IP multicast groups and receive from them, IPv4 and IPv6."""


for command in (demo, doctor, interfaces, ping, querier, recv, send):
    cli.add_command(command)
