"""The test suite on every Python that is found: ``nox``."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Run the tests in a virtual environment of that Python; arguments are pytest's."""
    session.install("-e", ".[test,compat-test,layouts]")
    session.run("pytest", *session.posargs)
