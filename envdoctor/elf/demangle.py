"""C++ names in the words of their source.

The demangler is libstdc++'s own __cxa_demangle, the code behind c++filt, reached by soname through ctypes. The wheels
on PyPI were weighed and left: cxxfilt calls the same function but runs gcc or ldconfig when imported, and cpp-
demangle has no wheel for AArch64 and refuses or misreads names of torch's libraries. Where there is no
libstdc++.so.6, a name stays as it is.
"""

from collections.abc import Callable
from functools import cache

_LENGTH_LIMIT = 8192
_EXPANSION_LIMIT = 1 << 22
_OPENING = b"NIXFLJZ"
_NESTED, _ARGUMENTS = ord("N"), ord("I")
_STANDARD = 12


def demangle(name: bytes) -> str:
    """The name as C++ source has it; the name itself when it is not mangled, damaged, or no demangler is at hand."""
    plain = name.decode("utf-8", "backslashreplace")
    if not name.startswith(b"_Z") or len(name) > _LENGTH_LIMIT or expansion(name) > _EXPANSION_LIMIT:
        return plain
    function = _function()
    return (function(name) if function else None) or plain


def is_available() -> bool:
    """False where there is no demangler, so that a mangled name says nothing about the name."""
    return _function() is not None


@cache
def _function() -> Callable[[bytes], str | None] | None:
    import ctypes

    try:
        library = ctypes.CDLL("libstdc++.so.6")
        run, free = library.__cxa_demangle, library.free
    except (OSError, AttributeError):
        return None
    run.restype, free.restype = ctypes.c_void_p, None
    run.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
    free.argtypes = [ctypes.c_void_p]

    def call(name: bytes) -> str | None:
        status = ctypes.c_int()
        address = run(name, None, None, ctypes.byref(status))
        if not address:
            return None
        try:
            return ctypes.string_at(address).decode("utf-8", "backslashreplace")
        finally:
            free(address)

    return call


def expansion(name: bytes) -> int:
    """About how many characters a mangled name grows to, and rather too many.

    A back reference (S1_, T0_) repeats a component before it. Repeated within repeated, forty of them make a terabyte
    out of a short name, so the size is estimated before the demangler runs: each counts as the largest component yet.
    """
    growth = _Growth()
    at, end = 2, len(name)
    while at < end:
        byte = name[at]
        at += 1
        if 0x30 <= byte <= 0x39:
            number, at = _number(name, at - 1)
            growth.add(number)
            at += number
        elif byte in b"ST":
            if name[at : at + 1].islower():
                # St, Ss, Sa and their like: one of std, written out.
                growth.add(_STANDARD)
                at += 1
            else:
                growth.add(growth.largest)
                at = _after_reference(name, at)
        elif byte in _OPENING:
            growth.open(byte)
        elif byte == 0x45:
            growth.close()
        else:
            growth.add(1)
    return growth.total()


class _Growth:
    """Sizes of the components of a name. Each open bracket has its kind, its size so far, and that of its last part."""

    def __init__(self) -> None:
        self.largest = 1
        self._levels = [[0, 0, 0]]

    def add(self, size: int) -> None:
        level = self._levels[-1]
        level[1] += size
        level[2] = size
        self._regard(level)

    def open(self, kind: int) -> None:
        self._levels.append([kind, 0, 0])

    def close(self) -> None:
        if len(self._levels) == 1:
            return
        kind, size, _ = self._levels.pop()
        level = self._levels[-1]
        level[1] += size
        # Template arguments belong to the name before them, and with it are one component.
        level[2] = level[2] + size if kind == _ARGUMENTS else size
        self._regard(level)

    def total(self) -> int:
        return sum(level[1] for level in self._levels)

    def _regard(self, level: list[int]) -> None:
        # Within a nested name each beginning of it is a component too; elsewhere a list grows that is none.
        self.largest = max(self.largest, level[2], level[1] if level[0] == _NESTED else 0)


def _after_reference(name: bytes, at: int) -> int:
    while at < len(name) and (name[at : at + 1].isdigit() or name[at : at + 1].isupper()):
        at += 1
    return at + (name[at : at + 1] == b"_")


def _number(name: bytes, at: int) -> tuple[int, int]:
    start = at
    while at < len(name) and at - start < 6 and name[at : at + 1].isdigit():
        at += 1
    return int(name[start:at]), at
