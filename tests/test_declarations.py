"""The declarations, the modules emitted from them, and this machine's headers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import build_ffi
from tests.compilers import require_c_compiler
from tests.hosts import TIMEOUT


@pytest.mark.parametrize("platform", build_ffi.PLATFORMS, ids=lambda platform: platform.module)
def test_committed_module_is_fresh(platform: build_ffi.Platform, tmp_path: Path) -> None:
    """The committed module is what the declarations emit today."""
    emitted = tmp_path / "module.py"
    platform.emit(emitted)
    assert platform.path.read_text(encoding="utf-8") == emitted.read_text(encoding="utf-8"), (
        "run python build_ffi.py"
    )


@pytest.mark.parametrize("platform", build_ffi.PLATFORMS, ids=lambda platform: platform.module)
def test_loading_a_module_needs_no_parser(platform: build_ffi.Platform) -> None:
    """The emitted module loads cffi's backend and nothing else outside the standard library."""
    script = (
        f"import sys, {build_ffi.PACKAGE}\nbefore = set(sys.modules)\n"
        f"import {build_ffi.PACKAGE}.{platform.module}\n"
        "print(*sorted(set(sys.modules) - before - set(sys.stdlib_module_names)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert set(result.stdout.split()) <= {
        "_cffi_backend",
        f"{build_ffi.PACKAGE}.{platform.module}",
    }


def test_declarations_agree_with_this_machines_headers() -> None:
    """Compiled in API mode, the declarations have the headers' sizes, offsets and constants."""
    require_c_compiler()
    assert build_ffi.check(build_ffi.this_machine()) > 100


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "    struct in_addr imr_interface;\n    struct in_addr imr_sourceaddr;",
            "    struct in_addr imr_sourceaddr;\n    struct in_addr imr_interface;",
            "struct ip_mreq_source: wrong offset for field 'imr_sourceaddr'",
        ),
        ("#define IP_RECVTTL 12", "#define IP_RECVTTL 13", "'IP_RECVTTL' is equal to 12"),
    ],
)
def test_a_wrong_declaration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, told: str
) -> None:
    """Two fields that changed places, or a wrong number, are refused by name."""
    require_c_compiler()
    for source in build_ffi.DECLARATIONS.iterdir():
        (tmp_path / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "linux.h"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    monkeypatch.setattr(build_ffi, "DECLARATIONS", tmp_path)
    with pytest.raises(Exception, match=told):
        build_ffi.check(build_ffi.this_machine())
