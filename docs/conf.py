"""How Sphinx builds the pages: ``sphinx-build --fail-on-warning --keep-going docs FOLDER``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import mcast

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "mcast"
author = "the mcast developers"
version = release = mcast.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns: list[str] = []
html_theme = "furo"
html_title = "mcast"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_copyright = False

nitpicky = True
# Building takes no network, so the standard library's names lead nowhere; ours must lead somewhere.
nitpick_ignore_regex = [(r"py:.*", r"(?!mcast\.).*")]

myst_heading_anchors = 3

# Docstrings name things between single backticks, which `link_names` makes links where it can.
default_role = "code"
# They would make a dash of what begins an option.
smartquotes = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autoclass_content = "both"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
autodoc_type_aliases = {
    "AddressLike": "AddressLike",
    "Buffer": "Buffer",
    "Default": "Default",
    "Destination": "Destination",
    "GroupLike": "GroupLike",
    "InterfaceLike": "InterfaceLike",
}

_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
_PYTHONS_OWN = ("Alias for field number", "Create new instance of")
"""How Python describes named tuples, which is no news."""
_NAME = re.compile(r"(?<![`:\w])`([^`]+)`(?!`)")


def link_names(
    _app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Let what a docstring names between backticks be a link, if it is public, else code."""
    lines[:] = [_NAME.sub(_linked, line) for line in lines if not line.startswith(_PYTHONS_OWN)]


def _linked(match: re.Match[str]) -> str:
    text = match[1]
    first = text.partition(".")[0]
    # What begins small may be a parameter: `interfaces` is both.
    is_public = first in mcast.__all__ and first[0].isupper()
    return f":py:obj:`{text} <mcast.{text}>`" if is_public else f"``{text}``"


def name_aliases(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    result: str | None,
) -> tuple[str, str] | None:
    """Let a signature name an alias as the source does."""
    if not signature:
        return None
    return _ALIAS.sub(r"\1", signature), _ALIAS.sub(r"\1", result or "")


def keep_columns(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Let examples below a command's help stay in columns."""
    shown = [line.removeprefix("| ") for line in lines if line.startswith("| ")]
    if shown:
        rest = [line for line in lines if not line.startswith("| ")]
        lines[:] = [f"{shown[0]}:", "", *(f"   {line}" for line in shown[1:]), "", *rest]


def setup(app: Sphinx) -> None:
    """Register what is done to docstrings, signatures and the help of commands."""
    app.connect("sphinx-click-process-epilog", keep_columns)
    app.connect("autodoc-process-signature", name_aliases)
    app.connect("autodoc-process-docstring", link_names)
