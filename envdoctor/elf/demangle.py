"""C++ names in the words of their source.

The demangler is libstdc++'s own __cxa_demangle, the code behind c++filt, reached by soname through ctypes. The wheels
on PyPI were weighed and left: cxxfilt calls the same function but runs gcc or ldconfig when imported, and cpp-
demangle has no wheel for AArch64 and refuses or misreads names of torch's libraries. Where there is no
libstdc++.so.6, a name stays as it is.
"""

from collections.abc import Callable
from functools import cache

_LENGTH_LIMIT = 8192
_EXPANSION_LIMIT = 1 << 20
_OPENING = b"NIXFLJZ"


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
    """About how many characters a mangled name grows to.

    A back reference (S1_, T0_) repeats a component before it. Repeated within repeated, forty of them make a terabyte
    out of a short name, so the size is estimated before the demangler runs: each reference counts as the largest
    component so far.
    """
    sizes = [0]
    largest = 1
    at, end = 2, len(name)
    while at < end:
        byte = name[at]
        at += 1
        if 0x30 <= byte <= 0x39:
            number, at = _number(name, at - 1)
            sizes[-1] += number
            largest = max(largest, number)
            at += number
        elif byte in b"ST":
            sizes[-1] += largest
            while at < end and name[at : at + 1].isalnum() and name[at] < 0x5B:
                at += 1
            at += at < end and name[at] == 0x5F
        elif byte in _OPENING:
            sizes.append(0)
        else:
            sizes[-1] += 1
            if byte == 0x45 and len(sizes) > 1:
                closed = sizes.pop()
                sizes[-1] += closed
                largest = max(largest, closed, sizes[-1])
    return sum(sizes)


def _number(name: bytes, at: int) -> tuple[int, int]:
    start = at
    while at < len(name) and at - start < 6 and name[at : at + 1].isdigit():
        at += 1
    return int(name[start:at]), at
