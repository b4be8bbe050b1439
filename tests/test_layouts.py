"""The declarations against the headers of other machines, by a compiler that has them all."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from build_ffi import PLATFORMS
from tests.layouts import PROPERTY, assertions
from tests.skipping import skip_unless_ci

BY_MODULE = {platform.module: platform for platform in PLATFORMS}
TARGETS = {
    "x86_64-windows-gnu": "windows",
    "aarch64-macos": "darwin",
    "x86_64-macos": "darwin",
    "x86_64-linux-gnu": "linux",
    "x86_64-linux-musl": "linux",
    "aarch64-linux-gnu": "linux",
    "aarch64-linux-musl": "linux",
    "s390x-linux-gnu": "linux",
    "x86-linux-gnu": "linux32",
}
"""The compiler's names for the machines, and whose declarations they are held against."""


@pytest.fixture(scope="module")
def compile_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Return a function that compiles a C file for a target and returns the errors."""
    if importlib.util.find_spec("ziglang") is None:
        skip_unless_ci("needs compilers for other machines: pip install -e '.[test,layouts]'")
    directory = tmp_path_factory.mktemp("layouts")
    environment = dict(
        os.environ, ZIG_GLOBAL_CACHE_DIR=str(directory), ZIG_LOCAL_CACHE_DIR=str(directory)
    )

    def run(target: str, source: str) -> str:
        path = Path(directory) / f"{target}.c"
        path.write_text(source, encoding="utf-8")
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-ferror-limit=0"]
        # glibc decides at the first header, <stdint.h>, what all the others show.
        command += ["-D_GNU_SOURCE", "-c", str(path), "-o", str(path.with_suffix(".o"))]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert (result.returncode == 0) == (not re.search(r"\berror\b", result.stderr))
        return "\n".join(line for line in result.stderr.splitlines() if "error" in line)

    return run


@pytest.mark.parametrize("target", TARGETS)
def test_declarations_agree_with_the_headers_of(
    target: str,
    compile_for: Callable[[str, str], str],
    record_property: Callable[[str, object], None],
) -> None:
    """Every size, offset, width and constant is the one that the target's own headers have."""
    source, facts = assertions(BY_MODULE[TARGETS[target]], musl="musl" in target)
    assert compile_for(target, source) == ""
    record_property(PROPERTY + target, list(facts))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "    struct in_addr imr_sourceaddr;\n    struct in_addr imr_interface;",
            "    struct in_addr imr_interface;\n    struct in_addr imr_sourceaddr;",
            "offsetof(struct ip_mreq_source, imr_sourceaddr)",
        ),
        (
            "    ULONG Ipv4Metric;\n",
            "",
            "offsetof(struct _IP_ADAPTER_ADDRESSES_LH, Ipv6Metric)",
        ),
    ],
)
def test_a_wrong_declaration_is_told(
    compile_for: Callable[[str, str], str],
    before: str,
    after: str,
    told: str,
) -> None:
    """Two fields that changed places, or one that is missing, make the compiler name them."""
    platform = BY_MODULE["windows"]
    (source,) = platform.sources
    assert before in source.text
    wrong, _ = assertions(platform, text=source.text.replace(before, after, 1))
    assert told in compile_for("x86_64-windows-gnu", wrong)


def test_a_wrong_constant_is_told(compile_for: Callable[[str, str], str]) -> None:
    """A constant with another number makes the compiler name it."""
    source, _ = assertions(BY_MODULE["darwin"])
    wrong = source.replace("(IP_RECVTTL) == (24)", "(IP_RECVTTL) == (12)")
    assert wrong != source
    assert "IP_RECVTTL" in compile_for("aarch64-macos", wrong)
