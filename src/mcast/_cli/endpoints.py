"""Reading a group with its port, as commands that need no port take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from .options import PORT

if TYPE_CHECKING:
    _ParamType = click.ParamType["tuple[str, int | None]"]
else:
    _ParamType = click.ParamType  # It takes no parameter in click 8.1.


class _Endpoint(_ParamType):
    """A group, or a group and a port as URLs write them: ``239.1.2.3:5000``, ``[ff15::1]:5000``."""

    name = "group[:port]"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        """Return the group and the port."""
        group, separator, port = value.rpartition(":")
        if value.startswith("["):
            inside, _, rest = value[1:].partition("]")
            group, separator, port = inside, rest[:1], rest[1:]
            if not rest:
                return inside, None
        if not separator or (":" in group and not value.startswith("[")):
            return value, None
        return group, int(PORT(port, param, ctx))


ENDPOINT: Final = _Endpoint()
