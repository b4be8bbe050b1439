"""C assertions about a platform's declarations, for compilers of other machines."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from build_ffi import PACKAGE, Platform

if TYPE_CHECKING:
    from _cffi_backend import FFI, CType

PROPERTY = "layouts of "
"""What the test property's name begins with that tells how many facts were checked."""

POINTER_SIZE = 8
"""Bytes, on this machine as cffi lays structs out: only such targets share its numbers."""

WIDTH_IN_MUSL = {
    # musl follows POSIX and gives these int or socklen_t and a padding in the place of the kernel's
    # size_t. Both begin at the same byte and the padding is kept zero, so the bytes are the same.
    "sizeof(((struct msghdr *)0)->msg_iovlen)": 4,
    "sizeof(((struct msghdr *)0)->msg_controllen)": 4,
    "sizeof(((struct cmsghdr *)0)->cmsg_len)": 4,
}


class Facts(NamedTuple):
    """Facts is how many facts of each kind one file asserts."""

    sizes: int
    offsets: int
    widths: int
    constants: int


class _Fact(NamedTuple):
    kind: str
    expression: str
    """In C, of the header's struct."""
    declared: str
    """In C, of the same struct as the declarations have it."""
    value: int
    """As cffi lays the struct out."""


def assertions(
    platform: Platform, *, text: str | None = None, musl: bool = False
) -> tuple[str, Facts]:
    """Return a C file that compiles only where `platform`'s declarations agree with the headers.

    `text` are other declarations to assert instead of the platform's own.
    """
    ffi: FFI = importlib.import_module(f"{PACKAGE}.{platform.module}").ffi
    declarations = _renamed(ffi, platform, text)
    facts = list(_struct_facts(ffi))
    # Written down before the headers are read: their macros (s6_addr) must not reach the copy.
    noted = [f"    declared_{i} = {fact.declared}," for i, fact in enumerate(facts)]
    asserted: list[str] = []
    for i, fact in enumerate(facts):
        width = WIDTH_IN_MUSL.get(fact.expression) if musl else None
        expected = [f"declared_{i}"] if width is None else [str(width)]
        if platform.pointer_size == POINTER_SIZE and width is None:
            expected.append(str(fact.value))
        asserted += [_assertion(fact.expression, value) for value in expected]
    constants = list(_constants(ffi, platform))
    asserted += [_assertion(name, str(value)) for name, value in constants]
    kinds = [fact.kind for fact in facts]
    counts = Facts(kinds.count("size"), kinds.count("offset"), kinds.count("width"), len(constants))
    lines = [
        "#include <stddef.h>",
        "#include <stdint.h>",
        *declarations,
        "enum {",
        *noted,
        "};",
        platform.headers,
        *asserted,
    ]
    return "\n".join(lines) + "\n", counts


def _assertion(expression: str, value: str) -> str:
    return f'_Static_assert(({expression}) == ({value}), "{expression} is not {value}");'


def _renamed(ffi: FFI, platform: Platform, text: str | None) -> Iterator[str]:
    """Yield the declared structs, each under a name of its own beside the header's."""
    typedefs, structs, unions = ffi.list_types()
    tags = re.compile(rf"\b(struct|union) ({'|'.join((*structs, *unions))})\b")
    aliases = re.compile(rf"\b({'|'.join(typedefs)})\b")
    for source in platform.sources:
        content = source.text if text is None else text
        content = re.sub(r"^#define .*$", "", content, flags=re.MULTILINE)
        # Functions have no layout, and their names are taken.
        content = re.sub(r"^\w[^;{}]*\([^;{}]*\);$", "", content, flags=re.MULTILINE)
        content = tags.sub(r"\1 declared_\2", content)
        content = aliases.sub(r"declared_\1", content)
        if source.packed:
            content = f"#pragma pack(push, 4)\n{content}\n#pragma pack(pop)"
        yield content


def _struct_facts(ffi: FFI) -> Iterator[_Fact]:
    _, structs, unions = ffi.list_types()
    for keyword, tags in (("struct", structs), ("union", unions)):
        for tag in tags:
            if tag.startswith("$"):  # Without a name of its own: told with the struct around it.
                continue
            real, declared = f"{keyword} {tag}", f"{keyword} declared_{tag}"
            ctype = ffi.typeof(real)
            yield _Fact("size", f"sizeof({real})", f"sizeof({declared})", ffi.sizeof(ctype))
            for path, offset, width in _fields(ffi, ctype, "", 0):
                yield _Fact(
                    "offset", f"offsetof({real}, {path})", f"offsetof({declared}, {path})", offset
                )
                yield _Fact(
                    "width",
                    f"sizeof((({real} *)0)->{path})",
                    f"sizeof((({declared} *)0)->{path})",
                    width,
                )


def _fields(ffi: FFI, ctype: CType, prefix: str, base: int) -> Iterator[tuple[str, int, int]]:
    """Yield path, offset and width of each field, and of those inside of unnamed types."""
    for name, field in ctype.fields:
        if field.bitsize >= 0:  # A bit-field has no address.
            continue
        path, offset = f"{prefix}{name}", base + field.offset
        if name:
            yield path, offset, ffi.sizeof(field.type)
        if field.type.kind in {"struct", "union"} and "$" in field.type.cname:
            yield from _fields(ffi, field.type, f"{path}." if name else prefix, offset)


def _constants(ffi: FFI, platform: Platform) -> Iterator[tuple[str, int]]:
    for source in platform.sources:
        for name in re.findall(r"^#define (\w+) ", source.text, flags=re.MULTILINE):
            yield name, ffi.integer_const(name)
